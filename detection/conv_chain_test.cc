#include "rcnn/detection/conv_chain.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/detection/convolution/panel_product.h"

namespace rcnn::detection {
namespace {

at::Tensor Draw(at::IntArrayRef sizes, uint64_t seed) {
  return at::randn(sizes, at::detail::createCPUGenerator(seed));
}

// A first convolution of three channels, one by Winograd's method, one with a stride and one of 1 x
// 1, of float32 maps.
struct Chain {
  explicit Chain(Activation last = Activation::kRelu) {
    Add(3, 16, 3, 1, Activation::kRelu);
    Add(16, 20, 3, 1, Activation::kRelu);
    Add(20, 24, 3, 2, Activation::kRelu);
    Add(24, 18, 1, 1, last);
    ResetParameters(*module, at::detail::createCPUGenerator(1));
  }

  void Add(int64_t in, int64_t out, int64_t kernel, int64_t stride, Activation activation) {
    ConvOptions options;
    options.in_channels = in;
    options.out_channels = out;
    options.kernel = kernel;
    options.stride = stride;
    options.padding = kernel / 2;
    options.activation = activation;
    convs.push_back(AddConv(*module, "conv" + std::to_string(convs.size()), options));
  }

  std::shared_ptr<torch::nn::Module> module = std::make_shared<torch::nn::Module>();
  std::vector<std::shared_ptr<Conv>> convs;
};

// The output, and the gradients of x and of all parameters.
template <typename Forward>
std::vector<at::Tensor> Train(const Chain& chain, const Forward& forward) {
  const at::Tensor x = Draw({1, 3, 40, 44}, 2).requires_grad_();
  const at::Tensor y = forward(BatchMap(x)).parts.front();
  y.backward(Draw(y.sizes(), 3));
  std::vector<at::Tensor> results = {y.detach(), x.grad()};
  for (at::Tensor& parameter : chain.module->parameters()) {
    results.push_back(parameter.grad());
    parameter.mutable_grad() = at::Tensor();
  }
  return results;
}

TEST(ConvChainTest, HasTheBitsOfItsLayers) {
  if (!PanelProductAvailable()) GTEST_SKIP() << "this processor has no AVX2 and FMA";
  const Chain chain;
  EXPECT_TRUE(LinksChain(chain.convs, BatchMap(at::zeros({1, 3, 40, 44}))));
  const auto found =
      Train(chain, [&](BatchMap x) { return ForwardChain(chain.convs, std::move(x)); });
  const auto expected = Train(chain, [&](BatchMap x) {
    for (const auto& conv : chain.convs) x = conv->Forward(x);
    return x;
  });
  ASSERT_EQ(found.size(), 2u + 2 * 4);
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_TRUE(found[i].equal(expected[i])) << i;
    EXPECT_GT(found[i].abs().max().item<float>(), 0) << i;
  }
}

// The gradient that comes back is zero where the output is.
TEST(ConvChainTest, ReadersMayMaskTheOutput) {
  if (!PanelProductAvailable()) GTEST_SKIP() << "this processor has no AVX2 and FMA";
  const Chain chain;
  const auto train = [&](bool masked) {
    const BatchMap y = ForwardChain(chain.convs, BatchMap(Draw({1, 3, 40, 44}, 2)), masked);
    at::Tensor dy = Draw(y.parts[0].sizes(), 3);
    if (masked) dy = at::where(y.parts[0] > 0, dy, at::zeros({}));
    y.parts[0].backward(dy);
    const at::Tensor gradient = chain.convs[0]->weight().grad().clone();
    for (at::Tensor& parameter : chain.module->parameters()) {
      parameter.mutable_grad() = at::Tensor();
    }
    return gradient;
  };
  EXPECT_TRUE(train(true).equal(train(false)));
}

TEST(ConvChainTest, IsNotLinkedWhereItCannotBe) {
  if (!PanelProductAvailable()) GTEST_SKIP() << "this processor has no AVX2 and FMA";
  const Chain chain;
  const at::Tensor x = at::zeros({1, 3, 40, 44});
  EXPECT_FALSE(LinksChain(chain.convs, BatchMap(at::zeros({1, 3, 12, 12}))));  // few pixels
  EXPECT_FALSE(LinksChain(chain.convs, BatchMap(x.to(at::kDouble))));
  EXPECT_FALSE(LinksChain(Chain(Activation::kNone).convs, BatchMap(x)));
  EXPECT_THROW(ForwardChain(chain.convs, BatchMap(at::zeros({1, 3, 12, 12})), true), c10::Error);
  const at::NoGradGuard no_grad;
  EXPECT_FALSE(LinksChain(chain.convs, BatchMap(x)));
}

}  // namespace
}  // namespace rcnn::detection

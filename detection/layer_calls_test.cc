#include "rcnn/detection/layer_calls.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <memory>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/detection/convolve_and_pool.h"
#include "rcnn/detection/layers.h"

namespace rcnn::detection {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;

struct Network {
  Network() {
    ConvOptions options;
    options.in_channels = options.out_channels = 16;
    conv = AddConv(*module, "conv", options);
    options.kernel = 1;
    options.padding = 0;
    pointwise = AddConv(*module, "pointwise", options);
    linear = AddLinear(*module, "linear", 16, 3, {});
    module->eval();
  }

  std::shared_ptr<torch::nn::Module> module = std::make_shared<torch::nn::Module>();
  std::shared_ptr<Conv> conv, pointwise;
  std::shared_ptr<Linear> linear;
};

::testing::Matcher<const LayerCall&> IsCall(const torch::nn::Module& layer,
                                            const std::vector<int64_t>& input) {
  return AllOf(Field(&LayerCall::layer, &layer), Field(&LayerCall::input, input));
}

// One call of every way to call a layer, prepared or not.
TEST(LayerCallsTest, RecordsEveryCallOnceWithItsSize) {
  const at::NoGradGuard no_grad;
  Network net;
  for (const bool prepared : {false, true}) {
    if (prepared) PrepareForInference(*net.module);
    const LayerCalls calls;
    const at::Tensor x = at::zeros({1, 16, 40, 6});
    net.conv->Forward(x);
    net.pointwise->ForwardConsuming(BatchMap(at::zeros({1, 16, 5, 6})));
    net.pointwise->ForwardAddRelu(x, x);
    ConvolveAndPool({net.conv}, {}, x, /*band_rows=*/8);
    net.linear->Forward(at::zeros({7, 16}));
    const std::vector<int64_t> large = {1, 16, 40, 6}, small = {1, 16, 5, 6}, rows = {7, 16};
    EXPECT_THAT(calls.calls(), ElementsAre(IsCall(*net.conv, large), IsCall(*net.pointwise, small),
                                           IsCall(*net.pointwise, large), IsCall(*net.conv, large),
                                           IsCall(*net.linear, rows)))
        << prepared;
  }
}

TEST(LayerCallsTest, EachScopeHasItsOwnCalls) {
  const at::NoGradGuard no_grad;
  Network net;
  const LayerCalls outer;
  net.linear->Forward(at::zeros({1, 16}));
  {
    const LayerCalls inner;
    net.linear->Forward(at::zeros({2, 16}));
    EXPECT_EQ(inner.calls().size(), 1u);
  }
  net.linear->Forward(at::zeros({3, 16}));
  ASSERT_EQ(outer.calls().size(), 2u);
  EXPECT_EQ(outer.calls()[1].input, (std::vector<int64_t>{3, 16}));
}

}  // namespace
}  // namespace rcnn::detection

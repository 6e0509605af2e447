#include "rcnn/detection/convolution/packed_convolution.h"

#include <ATen/ATen.h>

#include <vector>

#include "gtest/gtest.h"

namespace rcnn::detection {
namespace {

at::Tensor Draw(at::IntArrayRef shape, uint64_t seed) {
  return at::randn(shape, at::detail::createCPUGenerator(seed));
}

struct Case {
  const char* name;
  int64_t in, out, kernel, stride, padding;
};

// Each method, and what is left to LibTorch.
const Case kCases[] = {
    {"winograd", 24, 10, 3, 1, 1},     {"pointwise", 20, 9, 1, 1, 0},
    {"few channels", 3, 8, 3, 1, 1},   {"3x3, stride 2", 24, 10, 3, 2, 1},
    {"1x1, stride 2", 20, 9, 1, 2, 0}, {"3x3, no padding", 24, 10, 3, 1, 0},
    {"7x7", 3, 16, 7, 2, 3},
};

class PackedConvolutionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!PackedConvolution::CanPack(at::zeros({1, 1, 1, 1}))) {
      GTEST_SKIP() << "this LibTorch has no packed convolutions";
    }
  }
};

PackedConvolution Pack(const Case& c, const at::Tensor& weight, const at::Tensor& bias, bool relu) {
  PackedConvolutionOptions options;
  options.stride = c.stride;
  options.padding = c.padding;
  options.relu = relu;
  return PackedConvolution(weight, bias, options);
}

void ExpectNear(const at::Tensor& a, const at::Tensor& b) {
  ASSERT_EQ(a.sizes(), b.sizes());
  EXPECT_LE((a - b).abs().max().item<double>(), 2e-6 * b.abs().max().item<double>() + 1e-5);
}

TEST_F(PackedConvolutionTest, EqualsAPlainConvolution) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const at::Tensor weight = Draw({c.out, c.in, c.kernel, c.kernel}, 1) * 0.1;
    const at::Tensor bias = Draw({c.out}, 2), x = Draw({2, c.in, 31, 45}, 3);
    const at::Tensor plain = at::conv2d(x, weight, bias, c.stride, c.padding);
    ExpectNear(Pack(c, weight, bias, false).Run(x), plain);
    ExpectNear(Pack(c, weight, bias, true).Run(x), plain.relu());
    ExpectNear(Pack(c, weight, {}, false).Run(x), plain - bias.view({-1, 1, 1}));
    const at::Tensor other = Draw(plain.sizes(), 4);
    ExpectNear(Pack(c, weight, bias, false).RunAddRelu(x, other), (plain + other).relu());
  }
}

TEST_F(PackedConvolutionTest, TakesWeightsAndInputsOfAnyLayout) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const at::Tensor weight = Draw({c.out, c.in, c.kernel, c.kernel}, 1) * 0.1;
    const at::Tensor x = Draw({2, c.in, 31, 45}, 3);
    const at::Tensor expected = Pack(c, weight, {}, false).Run(x);
    const auto last = at::MemoryFormat::ChannelsLast;
    ExpectNear(Pack(c, weight.contiguous(last), {}, false).Run(x.contiguous(last)), expected);
    const at::Tensor wide = Draw({2, c.in, 31, 50}, 5);
    wide.slice(3, 0, 45).copy_(x);
    ExpectNear(Pack(c, weight, {}, false).Run(wide.slice(3, 0, 45)), expected);
    const at::Tensor other = Draw(expected.sizes(), 4);
    ExpectNear(Pack(c, weight, {}, false).RunAddRelu(x, other.contiguous(last)),
               (expected + other).relu());
  }
}

TEST_F(PackedConvolutionTest, KeepsItsOwnCopyOfTheWeights) {
  for (const Case& c : kCases) {
    at::Tensor weight = Draw({c.out, c.in, c.kernel, c.kernel}, 1);
    const at::Tensor x = Draw({1, c.in, 20, 20}, 3);
    const PackedConvolution conv = Pack(c, weight, {}, false);
    const at::Tensor before = conv.Run(x);
    weight.zero_();
    EXPECT_TRUE(conv.Run(x).equal(before)) << c.name;
  }
}

TEST_F(PackedConvolutionTest, WrongInputsAreRefused) {
  for (const Case& c : kCases) {
    const PackedConvolution conv = Pack(c, Draw({c.out, c.in, c.kernel, c.kernel}, 1), {}, false);
    EXPECT_THROW(conv.Run(at::zeros({1, c.in + 1, 20, 20})), c10::Error) << c.name;
    EXPECT_THROW(conv.Run(at::zeros({1, c.in, 20, 20}, at::kDouble)), c10::Error) << c.name;
    EXPECT_THROW(conv.Run(at::zeros({c.in, 20, 20})), c10::Error) << c.name;
    EXPECT_THROW(conv.RunAddRelu(at::zeros({1, c.in, 20, 20}), at::zeros({1, c.out, 3, 4})),
                 c10::Error)
        << c.name;
  }
}

TEST(PackedConvolutionCanPackTest, OnlyFloat32) {
  EXPECT_FALSE(PackedConvolution::CanPack(at::zeros({1, 1, 1, 1}, at::kDouble)));
}

}  // namespace
}  // namespace rcnn::detection

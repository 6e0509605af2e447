#include "rcnn/detection/max_pool.h"

#include <ATen/ATen.h>
#include <c10/util/accumulate.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/testing/instruction_levels.h"

namespace rcnn::detection {
namespace {

at::Tensor LibTorchPool(const at::Tensor& x, const MaxPoolOptions& options) {
  return at::max_pool2d(x, {options.kernel, options.kernel}, {options.stride, options.stride},
                        {options.padding, options.padding}, {1, 1}, options.ceil_mode);
}

at::Tensor OurPool(const at::Tensor& x, const MaxPoolOptions& options) {
  return MaxPool(x, options);
}

// Of few different values, so that many are equal.
at::Tensor Values(at::IntArrayRef sizes, uint64_t seed) {
  return at::randint(-3, 4, sizes, at::detail::createCPUGenerator(seed)).to(at::kFloat);
}

// Output and gradient of the sum of the output, weighed by `weights`.
template <typename Pool>
std::pair<at::Tensor, at::Tensor> PoolAndGradient(Pool pool, const at::Tensor& x,
                                                  const MaxPoolOptions& options, uint64_t seed) {
  const at::Tensor leaf = x.detach().requires_grad_();
  // A gradient that flows on, as in a network.
  const at::Tensor y = pool(leaf * 1, options);
  const at::Tensor weights = at::randn(y.sizes(), at::detail::createCPUGenerator(seed));
  (y * weights).sum().backward();
  return {y.detach(), leaf.grad()};
}

TEST(MaxPoolTest, EqualsLibTorchBitForBit) {
  const std::vector<MaxPoolOptions> all = {{2, 2, 0, false}, {2, 2, 0, true}, {3, 2, 1, false},
                                           {3, 2, 1, true},  {3, 2, 0, true}, {3, 1, 1, false},
                                           {1, 2, 0, false}, {2, 3, 1, true}};
  uint64_t seed = 0;
  for (const MaxPoolOptions& options : all) {
    for (const auto& size : std::vector<std::pair<int64_t, int64_t>>{{8, 8}, {7, 9}, {3, 4}}) {
      const at::Tensor x = Values({2, 3, size.first, size.second}, ++seed);
      const auto expected = PoolAndGradient(LibTorchPool, x, options, seed);
      const auto actual = PoolAndGradient(OurPool, x, options, seed);
      EXPECT_TRUE(at::equal(actual.first, expected.first)) << options.kernel << size.first;
      EXPECT_TRUE(at::equal(actual.second, expected.second)) << options.kernel << size.first;
    }
  }
}

at::Tensor Bits(const at::Tensor& x) { return x.contiguous().view(at::kInt); }

// With zeros of both signs, which compare as equal, infinities and NaN.
at::Tensor SpecialValues(at::IntArrayRef sizes, uint64_t seed) {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor values = at::tensor({0.0f, -0.0f, 1.0f, -1.0f, 0.5f, inf, -inf, nan});
  const auto count = static_cast<int64_t>(c10::multiply_integers(sizes));
  return values
      .index_select(0, at::randint(8, {count}, at::detail::createCPUGenerator(seed), at::kLong))
      .view(sizes);
}

constexpr MaxPoolOptions kOptions[] = {{2, 2, 0, false}, {2, 2, 0, true},  {3, 2, 1, false},
                                       {3, 2, 1, true},  {3, 1, 1, false}, {2, 3, 1, true},
                                       {5, 3, 2, false}};
constexpr std::pair<int64_t, int64_t> kSizes[] = {{8, 8}, {7, 9}, {3, 4}, {33, 71}, {5, 200}};

class MaxPoolLevelTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, MaxPoolLevelTest, LevelsFrom(InstructionLevel::kPortable),
                         LevelName);

TEST_P(MaxPoolLevelTest, WithoutGradientsEqualsLibTorchBitForBit) {
  uint64_t seed = 100;
  for (const MaxPoolOptions& options : kOptions) {
    for (const auto& size : kSizes) {
      const at::Tensor x = SpecialValues({2, 3, size.first, size.second}, ++seed);
      const at::Tensor expected = LibTorchPool(x, options), y = MaxPool(x, options);
      ASSERT_EQ(y.sizes(), expected.sizes()) << options.kernel << " " << size.first;
      EXPECT_TRUE(Bits(y).equal(Bits(expected))) << options.kernel << " " << size.first;
    }
  }
}

TEST_P(MaxPoolLevelTest, GradientsEqualLibTorchBitForBit) {
  uint64_t seed = 200;
  for (const MaxPoolOptions& options : kOptions) {
    for (const auto& size : kSizes) {
      const at::Tensor x = SpecialValues({2, 3, size.first, size.second}, ++seed);
      const auto expected = PoolAndGradient(LibTorchPool, x, options, seed);
      const auto actual = PoolAndGradient(OurPool, x, options, seed);
      EXPECT_TRUE(Bits(actual.first).equal(Bits(expected.first))) << options.kernel;
      EXPECT_TRUE(actual.second.equal(expected.second)) << options.kernel << " " << size.first;
    }
  }
}

TEST_P(MaxPoolLevelTest, GradientsOfAReluMayBeMasked) {
  for (MaxPoolOptions options : {MaxPoolOptions{2, 2, 0, false}, MaxPoolOptions{3, 2, 1, false}}) {
    const auto gradient = [&](bool masks) {
      const at::Tensor x = SpecialValues({2, 3, 33, 71}, 7).requires_grad_();
      // The gradient of the map after the ReLU.
      const at::Tensor map = x.detach().relu().requires_grad_();
      options.masks_gradient = masks;
      const at::Tensor y = MaxPool(masks ? map : x.relu(), options);
      y.backward(at::randn(y.sizes(), at::detail::createCPUGenerator(8)));
      return masks ? map.grad() : x.grad();
    };
    EXPECT_TRUE(gradient(true).equal(gradient(false))) << options.kernel;
  }
}

// A window that covers less than the kernel, in a map that is smaller than it.
TEST(MaxPoolTest, SmallMapsEqualLibTorch) {
  const at::Tensor x = Values({1, 2, 1, 3}, 5);
  EXPECT_TRUE(MaxPool(x, {2, 2, 0, true}).equal(LibTorchPool(x, {2, 2, 0, true})));
  EXPECT_THROW(MaxPool(x, {2, 2, 0, false}), c10::Error);
}

TEST(MaxPoolTest, PoolsRowsOfAMapIntoRowsOfAnother) {
  const at::Tensor x = Values({1, 3, 10, 7}, 6);
  const at::Tensor y = at::zeros({1, 3, 5, 3});
  MaxPoolRows(x.narrow(2, 2, 4), 2, 10, {}, 1, y.narrow(2, 1, 2));
  EXPECT_TRUE(y.narrow(2, 1, 2).equal(LibTorchPool(x, {}).narrow(2, 1, 2)));
  EXPECT_EQ(y.select(2, 0).abs().sum().item<float>(), 0);
  EXPECT_EQ(y.narrow(2, 3, 2).abs().sum().item<float>(), 0);
  // Rows that the map does not have, that were not passed, before and behind, and columns apart.
  EXPECT_THROW(MaxPoolRows(x, 0, 10, {}, 4, y.narrow(2, 1, 2)), c10::Error);
  EXPECT_THROW(MaxPoolRows(x.narrow(2, 3, 4), 3, 10, {}, 1, y.narrow(2, 1, 2)), c10::Error);
  EXPECT_THROW(MaxPoolRows(x.narrow(2, 2, 3), 2, 10, {}, 1, y.narrow(2, 1, 2)), c10::Error);
  EXPECT_THROW(MaxPoolRows(x.narrow(3, 0, 6), 0, 10, {}, 0, y), c10::Error);
}

// Such a map counts as contiguous in either memory format.
TEST(MaxPoolTest, TakesAMapOfOneCellWithTheStridesOfChannelsLast) {
  const at::Tensor x = Values({1, 3, 1, 1}, 8);
  const at::Tensor last = x.as_strided({1, 3, 1, 1}, {3, 1, 3, 3});
  EXPECT_TRUE(MaxPool(last, {3, 2, 1, false}).equal(x));
}

// Rows at either end of the map see its padding, and others do not.
TEST(MaxPoolTest, RowsOfOverlappingWindowsHaveTheBitsOfTheWholeMap) {
  const MaxPoolOptions options = {3, 2, 1, false};
  const at::Tensor x = Values({2, 3, 11, 7}, 6), expected = LibTorchPool(x, options);
  for (int64_t begin = 0; begin < 6; ++begin) {
    for (int64_t end = begin + 1; end <= 6; ++end) {
      const int64_t first = std::max<int64_t>(2 * begin - 1, 0);
      const int64_t last = std::min<int64_t>(2 * end, 11);
      const at::Tensor y = at::zeros({2, 3, end - begin, 4});
      MaxPoolRows(x.slice(2, first, last).contiguous(), first, 11, options, begin, y);
      EXPECT_TRUE(y.equal(expected.slice(2, begin, end))) << begin << " to " << end;
    }
  }
}

TEST(MaxPoolTest, TheFirstOfEqualValuesGetsTheGradient) {
  const at::Tensor x = at::ones({1, 1, 2, 2}).requires_grad_();
  MaxPool(x, {}).sum().backward();
  EXPECT_TRUE(at::equal(x.grad(), at::tensor({1.f, 0.f, 0.f, 0.f}).view({1, 1, 2, 2})));
}

TEST(MaxPoolTest, InfinitiesAndNansEqualLibTorch) {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor x = at::tensor({-inf, -inf, nan, 1.f, -inf, -inf, nan, 2.f}).view({1, 1, 2, 4});
  const auto expected = PoolAndGradient(LibTorchPool, x, {}, 1),
             actual = PoolAndGradient(OurPool, x, {}, 1);
  EXPECT_TRUE(at::equal(actual.first.nan_to_num(7), expected.first.nan_to_num(7)));
  EXPECT_TRUE(at::equal(actual.second, expected.second));
}

TEST(MaxPoolTest, OtherMemoryFormatsAndTypesPass) {
  const at::Tensor x = Values({2, 3, 8, 6}, 1).contiguous(at::MemoryFormat::ChannelsLast);
  const auto expected = PoolAndGradient(LibTorchPool, x, {}, 1),
             actual = PoolAndGradient(OurPool, x, {}, 1);
  EXPECT_TRUE(at::equal(actual.first, expected.first));
  EXPECT_TRUE(at::equal(actual.second, expected.second));
  const at::Tensor doubles = x.to(at::kDouble);
  EXPECT_TRUE(at::equal(MaxPool(doubles, {}), LibTorchPool(doubles, {})));
}

TEST(MaxPoolTest, NoImages) {
  const at::Tensor x = at::ones({0, 3, 4, 4}).requires_grad_();
  const at::Tensor y = MaxPool(x, {});
  EXPECT_EQ(y.sizes(), (std::vector<int64_t>{0, 3, 2, 2}));
  y.sum().backward();
  EXPECT_EQ(x.grad().sizes(), x.sizes());
}

TEST(MaxPoolTest, TooMuchPaddingIsAnError) {
  MaxPoolOptions options;
  options.padding = 2;
  EXPECT_THROW(MaxPool(at::ones({1, 1, 4, 4}).requires_grad_(), options), c10::Error);
}

}  // namespace
}  // namespace rcnn::detection

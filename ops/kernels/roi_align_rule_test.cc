#include "rcnn/ops/kernels/roi_align_rule.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>
#include <vector>

#include "rcnn/ops/multilevel_roi_align.h"
#include "rcnn/ops/testing/host_grid.h"
#include "rcnn/ops/testing/random_rois.h"
#include "rcnn/ops/testing/test_seed.h"

namespace rcnn::ops {
namespace {

using ::rcnn::ops::testing::HostGrid;
using ::rcnn::ops::testing::HostOrder;
using ::rcnn::ops::testing::kAllHostOrders;
using ::rcnn::ops::testing::RandomMap;
using ::rcnn::ops::testing::RandomRois;
using ::rcnn::ops::testing::TestSeed;

// The kernels' element type for a tensor's.
template <typename T>
constexpr at::ScalarType kDtype = at::kFloat;
template <>
constexpr at::ScalarType kDtype<double> = at::kDouble;
template <>
constexpr at::ScalarType kDtype<BFloat16Bits> = at::kBFloat16;
template <>
constexpr at::ScalarType kDtype<Float16Bits> = at::kHalf;

struct Problem {
  std::vector<at::Tensor> maps;  // [B, C, H_l, W_l]
  at::Tensor rois;               // [R, 5] float64
  at::Tensor grad;               // of the result
  MultilevelRoiAlignOptions options;
};

// The longer side of each level is half that of the level before.
Problem RandomProblem(std::mt19937_64& random, at::ScalarType dtype, at::MemoryFormat format) {
  const auto pick = [&](std::vector<int64_t> values) { return values[random() % values.size()]; };
  Problem problem;
  const int64_t levels = pick({1, 2, 4}), images = pick({1, 2, 3});
  const int64_t channels = pick({1, 7, 32, 33, 70});
  const int64_t height = pick({1, 5, 8, 33}), width = pick({1, 7, 16, 41});
  for (int64_t level = 0; level < levels; ++level) {
    const int64_t h = std::max<int64_t>(height >> level, 1);
    const int64_t w = std::max<int64_t>(width >> level, 1);
    problem.maps.push_back(RandomMap({images, channels, h, w}, dtype, random()).contiguous(format));
    problem.options.spatial_scales.push_back(0.25 / static_cast<double>(1 << level));
  }
  const double height_px = 4.0 * static_cast<double>(height);
  const double width_px = 4.0 * static_cast<double>(width);
  problem.rois = RandomRois({pick({0, 1, 3, 40, 300}), images, height_px, width_px, 20}, random());
  problem.options.pooled_height = pick({1, 2, 7});
  problem.options.pooled_width = pick({1, 3, 7});
  problem.options.sampling_ratio = pick({0, 1, 2, 3});
  problem.options.aligned = random() % 2 == 0;
  // So that the levels are used at these sizes.
  problem.options.canonical_size_px = 40;
  problem.grad = RandomMap({problem.rois.size(0), channels, problem.options.pooled_height,
                            problem.options.pooled_width},
                           dtype, random())
                     .contiguous(format);
  return problem;
}

struct Outcome {
  at::Tensor bins;
  std::vector<at::Tensor> grads;
};

// By the operator, in the dtype of the kernels' sums: samples lie at the same positions.
Outcome ByOperator(const Problem& problem, at::ScalarType dtype) {
  std::vector<at::Tensor> maps;
  for (const at::Tensor& map : problem.maps)
    maps.push_back(map.to(dtype).detach().requires_grad_());
  Outcome outcome;
  outcome.bins = MultilevelRoiAlign(maps, problem.rois.to(dtype), problem.options);
  outcome.bins.backward(problem.grad.to(dtype));
  for (const at::Tensor& map : maps) outcome.grads.push_back(map.grad());
  outcome.bins = outcome.bins.detach();
  return outcome;
}

MapStrides StridesFor(const at::Tensor& map) {
  // That of a dimension of size 1 may be anything, and channels-last is recognised by it.
  const bool last = map.is_contiguous(at::MemoryFormat::ChannelsLast) && !map.is_contiguous();
  return {map.stride(0), last ? 1 : map.stride(1), map.stride(2), map.stride(3)};
}

template <typename T>
T* Data(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.data_ptr());
}

template <typename T>
Outcome ByGrid(const Problem& problem, HostOrder order) {
  using A = typename ElementSum<T>::type;
  const at::Tensor rois = problem.rois.to(kDtype<A>).contiguous();
  const int64_t levels = static_cast<int64_t>(problem.maps.size());
  const MultilevelRoiAlignOptions& options = problem.options;
  const at::Tensor roi_levels =
      FpnLevels(problem.rois, {options.min_level, options.min_level + levels - 1,
                               options.canonical_level, options.canonical_size_px});
  Outcome outcome;
  outcome.bins = at::full_like(problem.grad, 99);
  RoiTable<T> table{};
  table.num_levels = levels;
  table.images = problem.maps[0].size(0);
  table.channels = problem.maps[0].size(1);
  table.num_rois = rois.size(0);
  table.rois = rois.data_ptr<A>();
  table.roi_levels = roi_levels.data_ptr<int64_t>();
  table.pooled_height = options.pooled_height;
  table.pooled_width = options.pooled_width;
  const RoiAlignRule<T> rule = {{options.sampling_ratio, options.aligned}};
  table.bins = Data<T>(outcome.bins);
  table.bin_strides = StridesFor(outcome.bins);
  for (int64_t i = 0; i < levels; ++i) {
    const at::Tensor& map = problem.maps[i];
    table.levels[i] = {Data<T>(map), map.size(2), map.size(3), StridesFor(map),
                       options.spatial_scales[i]};
  }
  HostGrid forward(order, TestSeed());
  AlignRois(forward, table, rule);
  table.bins = Data<T>(problem.grad);
  table.bin_strides = StridesFor(problem.grad);
  for (int64_t i = 0; i < levels; ++i) {
    outcome.grads.push_back(at::full_like(problem.maps[i], 99));
    table.levels[i].data = Data<T>(outcome.grads[i]);
  }
  std::vector<Ranked> entries(table.num_rois), scratch(table.num_rois);
  std::vector<int64_t> map_begin(levels * table.images + 1);
  HostGrid backward(order, TestSeed());
  GatherRois(backward, table, rule, {entries.data(), scratch.data(), map_begin.data()});
  EXPECT_EQ(backward.conflict(), "");
  return outcome;
}

// Relative to the largest value, since terms of both signs add up.
void ExpectClose(const at::Tensor& actual, const at::Tensor& expected, double tolerance) {
  ASSERT_EQ(actual.sizes(), expected.sizes());
  if (actual.numel() == 0) return;
  const double largest = expected.abs().max().item<double>();
  const double error =
      (actual.to(at::kDouble) - expected.to(at::kDouble)).abs().max().item<double>();
  EXPECT_LE(error, tolerance * std::max(largest, 1e-30)) << "largest " << largest;
}

template <typename T>
class RoiAlignRuleTest : public ::testing::Test {
 public:
  // Of sums in the type, and of rounding the result.
  static double Tolerance() {
    if (kDtype<T> == at::kDouble) return 1e-12;
    if (kDtype<T> == at::kFloat) return 2e-6;
    return kDtype<T> == at::kHalf ? 1.0 / 1024 : 1.0 / 128;
  }
};
using Types = ::testing::Types<float, double, BFloat16Bits, Float16Bits>;
TYPED_TEST_SUITE(RoiAlignRuleTest, Types);

TYPED_TEST(RoiAlignRuleTest, EqualsTheOperatorOverShapes) {
  std::mt19937_64 random(TestSeed());
  using A = typename ElementSum<TypeParam>::type;
  for (int i = 0; i < 40; ++i) {
    const auto format = i % 2 == 0 ? at::MemoryFormat::Contiguous : at::MemoryFormat::ChannelsLast;
    Problem problem = RandomProblem(random, kDtype<TypeParam>, format);
    // Positions as the kernels have them.
    problem.rois = problem.rois.to(kDtype<A>).to(at::kDouble);
    const Outcome expected = ByOperator(problem, kDtype<A>);
    const Outcome actual = ByGrid<TypeParam>(problem, kAllHostOrders[i % 3]);
    ExpectClose(actual.bins, expected.bins, this->Tolerance());
    for (size_t level = 0; level < problem.maps.size(); ++level) {
      ExpectClose(actual.grads[level], expected.grads[level], this->Tolerance());
    }
    if (::testing::Test::HasFailure()) {
      FAIL() << "case " << i << ": " << problem.maps.size() << " levels, maps "
             << problem.maps[0].sizes() << ", bins " << problem.grad.sizes() << ", sampling "
             << problem.options.sampling_ratio << ", aligned " << problem.options.aligned;
    }
  }
}

TYPED_TEST(RoiAlignRuleTest, SameBitsInAnyOrder) {
  std::mt19937_64 random(TestSeed() + 1);
  for (int i = 0; i < 10; ++i) {
    const Problem problem =
        RandomProblem(random, kDtype<TypeParam>, at::MemoryFormat::ChannelsLast);
    const Outcome forward = ByGrid<TypeParam>(problem, HostOrder::kForward);
    const Outcome reversed = ByGrid<TypeParam>(problem, HostOrder::kReversed);
    const Outcome isolated = ByGrid<TypeParam>(problem, HostOrder::kIsolated);
    EXPECT_TRUE(at::equal(forward.bins, reversed.bins));
    for (size_t level = 0; level < problem.maps.size(); ++level) {
      EXPECT_TRUE(at::equal(forward.grads[level], reversed.grads[level]));
      EXPECT_TRUE(at::equal(forward.grads[level], isolated.grads[level]));
    }
  }
}

// RoI 0, and copies of it with a coordinate that is NaN: one for each, and one for all.
at::Tensor OneRoiWithoutNan() {
  const at::Tensor rois = at::tensor({0.0, 1.0, 2.0, 7.0, 6.5}, at::kDouble).repeat({6, 1});
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (int64_t i = 1; i < 5; ++i) rois[i][i].fill_(nan);
  rois[5].slice(0, 1).fill_(nan);
  return rois;
}

// On a device nobody has checked the RoIs. Nothing outside the map is read or written.
TYPED_TEST(RoiAlignRuleTest, NanGivesNanAndNoGradient) {
  for (const int64_t sampling_ratio : {0, 2}) {
    for (const bool aligned : {false, true}) {
      Problem problem;
      problem.maps = {RandomMap({1, 3, 9, 9}, kDtype<TypeParam>, 1)};
      problem.rois = OneRoiWithoutNan();
      problem.options.spatial_scales = {1};
      problem.options.pooled_height = problem.options.pooled_width = 3;
      problem.options.sampling_ratio = sampling_ratio;
      problem.options.aligned = aligned;
      problem.grad = RandomMap({6, 3, 3, 3}, kDtype<TypeParam>, 2);
      const Outcome actual = ByGrid<TypeParam>(problem, HostOrder::kForward);
      EXPECT_TRUE(actual.bins.slice(0, 1).isnan().all().template item<bool>());
      problem.rois = problem.rois.slice(0, 0, 1);
      problem.grad = problem.grad.slice(0, 0, 1).clone();
      const Outcome alone = ByGrid<TypeParam>(problem, HostOrder::kForward);
      EXPECT_TRUE(at::equal(actual.bins.slice(0, 0, 1), alone.bins));
      EXPECT_TRUE(at::equal(actual.grads[0], alone.grads[0]));
    }
  }
}

// More RoIs on one map than a block tests at once.
TEST(RoiAlignRuleFloatTest, ThousandRoisOnOneMap) {
  Problem problem;
  problem.maps = {RandomMap({1, 4, 20, 30}, at::kFloat, 1)};
  problem.rois = RandomRois({1000, 1, 80, 120, 10}, 2).to(at::kFloat).to(at::kDouble);
  problem.options.spatial_scales = {0.25};
  problem.grad = RandomMap({1000, 4, 7, 7}, at::kFloat, 3);
  const Outcome actual = ByGrid<float>(problem, HostOrder::kReversed);
  ExpectClose(actual.grads[0], ByOperator(problem, at::kFloat).grads[0], 2e-6);
}

// The samples that lie on the map are few: no loop runs over all of them.
TEST(RoiAlignRuleFloatTest, RoiMuchLargerThanTheMap) {
  Problem problem;
  problem.maps = {RandomMap({1, 2, 9, 9}, at::kDouble, 1)};
  problem.rois = at::tensor({0.0, -1e8, -1e8, 1e8, 1e8}, at::kDouble).view({1, 5});
  problem.options.spatial_scales = {1};
  problem.options.pooled_height = problem.options.pooled_width = 3;
  problem.grad = RandomMap({1, 2, 3, 3}, at::kDouble, 3);
  const Outcome expected = ByOperator(problem, at::kDouble);
  const Outcome actual = ByGrid<double>(problem, HostOrder::kForward);
  ExpectClose(actual.bins, expected.bins, 1e-6);
  ExpectClose(actual.grads[0], expected.grads[0], 1e-6);
}

}  // namespace
}  // namespace rcnn::ops

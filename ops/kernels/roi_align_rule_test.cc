#include "rcnn/ops/kernels/roi_align_rule.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "rcnn/ops/kernels/element_types.h"
#include "rcnn/ops/kernels/roi_gather.h"
#include "rcnn/ops/kernels/roi_lists.h"
#include "rcnn/ops/kernels/roi_table.h"
#include "rcnn/ops/multilevel_roi_align.h"
#include "rcnn/ops/testing/host_arrays.h"
#include "rcnn/ops/testing/host_grid.h"
#include "rcnn/ops/testing/random_rois.h"
#include "rcnn/ops/testing/sparse_memory.h"
#include "rcnn/ops/testing/test_seed.h"

namespace rcnn::ops {
namespace {

using ::rcnn::ops::testing::HostArrays;
using ::rcnn::ops::testing::HostGrid;
using ::rcnn::ops::testing::HostOrder;
using ::rcnn::ops::testing::kAllHostOrders;
using ::rcnn::ops::testing::RandomMap;
using ::rcnn::ops::testing::RandomRois;
using ::rcnn::ops::testing::SparseMemory;
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
void GatherByGrid(const RoiTable<T>& table, const RoiAlignRule<T>& rule, HostOrder order) {
  RoiListScratch scratch{};
  HostArrays arrays;
  PlanRoiLists(table, arrays, &scratch);
  HostGrid launch(order, TestSeed());
  GatherRois(launch, table, rule, scratch);
  EXPECT_EQ(launch.conflict(), "");
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
  EXPECT_EQ(forward.conflict(), "");
  table.bins = Data<T>(problem.grad);
  table.bin_strides = StridesFor(problem.grad);
  for (int64_t i = 0; i < levels; ++i) {
    outcome.grads.push_back(at::full_like(problem.maps[i], 99));
    table.levels[i].data = Data<T>(outcome.grads[i]);
  }
  GatherByGrid(table, rule, order);
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
    EXPECT_TRUE(at::equal(forward.bins, isolated.bins));
    for (size_t level = 0; level < problem.maps.size(); ++level) {
      EXPECT_TRUE(at::equal(forward.grads[level], reversed.grads[level]));
      EXPECT_TRUE(at::equal(forward.grads[level], isolated.grads[level]));
    }
  }
}

// `bins` of a problem of one map, from threads for `kRun` channels each.
template <int kRun, typename T>
at::Tensor BinsInRuns(const Problem& problem) {
  using A = typename ElementSum<T>::type;
  const at::Tensor& map = problem.maps[0];
  const at::Tensor rois = problem.rois.to(kDtype<A>).contiguous();
  const at::Tensor bins = at::full_like(problem.grad, 99);
  RoiTable<T> table{};
  table.levels[0] = {Data<T>(map), map.size(2), map.size(3), StridesFor(map), 0.25};
  table.num_levels = 1;
  table.images = map.size(0);
  table.channels = map.size(1);
  table.num_rois = rois.size(0);
  table.rois = rois.data_ptr<A>();
  table.pooled_height = bins.size(2);
  table.pooled_width = bins.size(3);
  table.bins = Data<T>(bins);
  table.bin_strides = StridesFor(bins);
  EXPECT_TRUE(HasRuns<kRun>(table));
  HostGrid launch(HostOrder::kReversed, TestSeed());
  LaunchForEach(launch, table.NumBins() / kRun, RoiAlignElements<T, kRun>{table, {{2, true}}});
  return bins;
}

TYPED_TEST(RoiAlignRuleTest, ChannelsTogetherHaveTheBitsOfSingleOnes) {
  constexpr int kRun = 16 / sizeof(TypeParam);
  for (const int64_t bins : {1, 7}) {
    Problem problem;
    const auto make = [](at::IntArrayRef sizes, uint64_t seed) {
      return RandomMap(sizes, kDtype<TypeParam>, seed).contiguous(at::MemoryFormat::ChannelsLast);
    };
    problem.maps = {make({2, 24, 9, 11}, 1)};
    problem.rois = RandomRois({30, 2, 36, 44, 20}, 2);
    problem.rois[7][0].fill_(5);  // of no image
    problem.grad = make({30, 24, bins, bins}, 3);
    const at::Tensor together = BinsInRuns<kRun, TypeParam>(problem).to(at::kDouble);
    const at::Tensor single = BinsInRuns<1, TypeParam>(problem).to(at::kDouble);
    EXPECT_TRUE(together[7].isnan().all().template item<bool>());
    EXPECT_TRUE(at::equal(together.nan_to_num(-1), single.nan_to_num(-1)));
  }
}

TEST(RoiAlignRuleFloatTest, ChannelsAreTogetherOnlyWhereTheyLieSo) {
  alignas(16) float memory[64] = {};
  RoiTable<float> table{};
  table.levels[0] = {memory, 2, 2, {16, 1, 8, 4}, 1};
  table.num_levels = table.images = table.num_rois = table.pooled_height = table.pooled_width = 1;
  table.channels = 4;
  table.bins = memory;
  table.bin_strides = {4, 1, 4, 4};
  EXPECT_TRUE(HasRuns<4>(table));
  const auto without = [&](const auto& change) {
    RoiTable<float> changed = table;
    change(changed);
    return HasRuns<4>(changed);
  };
  EXPECT_FALSE(without([](auto& other) { other.channels = 6; }));
  EXPECT_FALSE(without([](auto& other) { other.bins += 1; }));
  EXPECT_FALSE(without([](auto& other) { other.bin_strides = {4, 4, 2, 1}; }));
  EXPECT_FALSE(without([](auto& other) { other.levels[0].data += 2; }));
  EXPECT_FALSE(without([](auto& other) { other.levels[0].strides = {16, 4, 2, 1}; }));
  EXPECT_FALSE(without([](auto& other) { other.levels[0].strides.row = 10; }));
  EXPECT_FALSE(without([](auto& other) { other.levels[0].strides.column = 5; }));
  EXPECT_FALSE(without([](auto& other) { other.levels[0].strides.image = 17; }));
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

// RoI 0, and copies of it whose image is none of a batch of two.
at::Tensor OneRoiOfTheBatch() {
  const at::Tensor rois = at::tensor({1.0, 1.0, 2.0, 7.0, 6.5}, at::kDouble).repeat({7, 1});
  const double nan = std::numeric_limits<double>::quiet_NaN();
  rois.select(1, 0).copy_(at::tensor({1.0, 2.0, -1.0, 0.5, 1e30, -1e30, nan}, at::kDouble));
  return rois;
}

TYPED_TEST(RoiAlignRuleTest, ARoiOfNoImageGivesNanAndNoGradient) {
  Problem problem;
  problem.maps = {RandomMap({2, 3, 9, 9}, kDtype<TypeParam>, 1)};
  problem.rois = OneRoiOfTheBatch();
  problem.options.spatial_scales = {1};
  problem.options.pooled_height = problem.options.pooled_width = 3;
  problem.grad = RandomMap({7, 3, 3, 3}, kDtype<TypeParam>, 2);
  const Outcome actual = ByGrid<TypeParam>(problem, HostOrder::kForward);
  EXPECT_TRUE(actual.bins.slice(0, 1).isnan().all().template item<bool>());
  problem.rois = problem.rois.slice(0, 0, 1);
  problem.grad = problem.grad.slice(0, 0, 1).clone();
  const Outcome alone = ByGrid<TypeParam>(problem, HostOrder::kForward);
  EXPECT_TRUE(at::equal(actual.bins.slice(0, 0, 1), alone.bins));
  EXPECT_TRUE(at::equal(actual.grads[0], alone.grads[0]));
}

TEST(RoiTableTest, ARoiOfNoLevelReadsNoMap) {
  const std::vector<float> rois(5 * 4, 0);
  const std::vector<int64_t> levels = {-1, 0, 1, 2};
  RoiTable<float> table{};
  table.num_levels = 2;
  table.images = 1;
  table.num_rois = 4;
  table.rois = rois.data();
  table.roi_levels = levels.data();
  for (int64_t roi = 0; roi < 4; ++roi) {
    EXPECT_EQ(table.ReadsMap(roi), roi == 1 || roi == 2) << roi;
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

// More bins than are prepared at a time, in both axes.
TEST(RoiAlignRuleFloatTest, ManyBins) {
  for (const HostOrder order : kAllHostOrders) {
    Problem problem;
    problem.maps = {RandomMap({1, 3, 19, 21}, at::kFloat, 1)};
    problem.rois = RandomRois({7, 1, 76, 84, 20}, 2).to(at::kFloat).to(at::kDouble);
    problem.options.spatial_scales = {0.25};
    problem.options.pooled_height = 20;
    problem.options.pooled_width = 33;
    problem.grad = RandomMap({7, 3, 20, 33}, at::kFloat, 3);
    const Outcome actual = ByGrid<float>(problem, order);
    const Outcome expected = ByOperator(problem, at::kFloat);
    ExpectClose(actual.bins, expected.bins, 2e-6);
    ExpectClose(actual.grads[0], expected.grads[0], 2e-6);
  }
}

// The bilinear weight of the pixel at `pixel` for a sample at `position` on the map.
double TentWeight(double position, int64_t pixel) {
  return std::max(0.0, 1 - std::abs(position - static_cast<double>(pixel)));
}

// One sample for each RoI, in its middle. Nine of ten RoIs are outside the map, so that the host is
// done with the gradient in time.
TEST(RoiAlignRuleLargeTest, MillionRois) {
  constexpr int64_t kRois = 1000000, kHeight = 12, kWidth = 15;
  std::mt19937_64 random(TestSeed());
  std::uniform_real_distribution<double> uniform;
  std::vector<double> map(kHeight * kWidth), rois, bins(kRois, 99), grad(kRois);
  std::vector<double> grad_map(map.size(), 99), expected_grad(map.size(), 0);
  for (double& value : map) value = uniform(random) - 0.5;
  for (double& value : grad) value = uniform(random) - 0.5;
  for (int64_t i = 0; i < kRois; ++i) {
    const double outside = i % 10 == 0 ? 0 : 100;
    const double x = uniform(random) * (kWidth - 1) + 0.5 + outside;
    const double y = uniform(random) * (kHeight - 1) + 0.5, half = 0.1 + uniform(random);
    rois.insert(rois.end(), {0, x - half, y - half, x + half, y + half});
  }
  RoiTable<double> table{};
  table.levels[0] = {map.data(), kHeight, kWidth, {kHeight * kWidth, 1, kWidth, 1}, 1};
  table.num_levels = table.images = table.channels = 1;
  table.num_rois = kRois;
  table.rois = rois.data();
  table.pooled_height = table.pooled_width = 1;
  table.bins = bins.data();
  table.bin_strides = {1, 1, 1, 1};
  const RoiAlignRule<double> rule = {{1, true}};
  HostGrid forward(HostOrder::kReversed, TestSeed());
  AlignRois(forward, table, rule);
  table.bins = grad.data();
  table.levels[0].data = grad_map.data();
  GatherByGrid(table, rule, HostOrder::kReversed);
  int64_t wrong = 0;
  for (int64_t i = 0; i < kRois; ++i) {
    const double x = (rois[5 * i + 1] + rois[5 * i + 3]) / 2 - 0.5;
    const double y = (rois[5 * i + 2] + rois[5 * i + 4]) / 2 - 0.5;
    double expected = 0;
    const int64_t row = static_cast<int64_t>(y), column = static_cast<int64_t>(x);
    for (int64_t r = row; i % 10 == 0 && r <= std::min(row + 1, kHeight - 1); ++r) {
      for (int64_t c = column; c <= std::min(column + 1, kWidth - 1); ++c) {
        const double weight = TentWeight(y, r) * TentWeight(x, c);
        expected += weight * map[r * kWidth + c];
        expected_grad[r * kWidth + c] += weight * grad[i];
      }
    }
    if (std::abs(bins[i] - expected) > 1e-12) ++wrong;
  }
  EXPECT_EQ(wrong, 0);
  for (size_t i = 0; i < map.size(); ++i) EXPECT_NEAR(grad_map[i], expected_grad[i], 1e-9) << i;
}

// Calls visit(offset by `strides`, offset in a contiguous tensor) for each element of [N, C, H, W].
template <typename Visit>
void ForEachElement(at::IntArrayRef sizes, const MapStrides& strides, const Visit& visit) {
  int64_t dense = 0;
  for (int64_t n = 0; n < sizes[0]; ++n) {
    for (int64_t c = 0; c < sizes[1]; ++c) {
      for (int64_t h = 0; h < sizes[2]; ++h) {
        for (int64_t w = 0; w < sizes[3]; ++w) {
          visit(n * strides.image + c * strides.channel + h * strides.row + w * strides.column,
                dense++);
        }
      }
    }
  }
}

// As in tensors of more than 2^31 elements, of which a few pages are touched.
TEST(RoiAlignRuleLargeTest, StridesBeyond32Bits) {
  using T = BFloat16Bits;
  constexpr MapStrides kMapStrides = {(int64_t{1} << 31) + (1 << 20), (1 << 30) + 4096, 16, 1};
  constexpr MapStrides kBinStrides = {int64_t{1} << 31, 1 << 28, 8, 1};
  const SparseMemory far_maps(int64_t{9} << 30), far_bins(int64_t{10} << 30);
  if (far_maps.data() == nullptr || far_bins.data() == nullptr) {
    GTEST_SKIP() << "the system has no room for 19 GiB of addresses";
  }
  Problem problem;
  problem.maps = {RandomMap({2, 3, 9, 10}, at::kBFloat16, 1)};
  problem.rois =
      at::tensor({0.0, 1.0, 2.0, 7.0, 6.5, 1.0, 0.0, 0.0, 9.0, 8.0, 1.0, 3.0, 3.0, 4.0, 9.0},
                 at::kDouble)
          .view({3, 5});
  problem.options.spatial_scales = {1};
  problem.options.pooled_height = problem.options.pooled_width = 2;
  problem.grad = RandomMap({3, 3, 2, 2}, at::kBFloat16, 2);
  const Outcome expected = ByGrid<T>(problem, HostOrder::kForward);
  T* const maps = static_cast<T*>(far_maps.data());
  T* const bins = static_cast<T*>(far_bins.data());
  ForEachElement(problem.maps[0].sizes(), kMapStrides,
                 [&](int64_t far, int64_t dense) { maps[far] = Data<T>(problem.maps[0])[dense]; });
  ForEachElement(problem.grad.sizes(), kBinStrides,
                 [&](int64_t far, int64_t dense) { bins[far] = Data<T>(problem.grad)[dense]; });
  const at::Tensor rois = problem.rois.to(at::kFloat), pooled = at::full_like(problem.grad, 99);
  RoiTable<T> table{};
  table.levels[0] = {maps, 9, 10, kMapStrides, 1};
  table.num_levels = 1;
  table.images = 2;
  table.channels = 3;
  table.num_rois = 3;
  table.rois = rois.data_ptr<float>();
  table.pooled_height = table.pooled_width = 2;
  table.bins = Data<T>(pooled);
  table.bin_strides = StridesFor(pooled);
  const RoiAlignRule<T> rule = {{0, true}};
  HostGrid forward(HostOrder::kReversed, TestSeed());
  AlignRois(forward, table, rule);
  EXPECT_TRUE(at::equal(pooled, expected.bins));
  table.bins = bins;
  table.bin_strides = kBinStrides;
  GatherByGrid(table, rule, HostOrder::kReversed);
  const at::Tensor grad = at::full_like(problem.maps[0], 99);
  ForEachElement(grad.sizes(), kMapStrides,
                 [&](int64_t far, int64_t dense) { Data<T>(grad)[dense] = maps[far]; });
  EXPECT_TRUE(at::equal(grad, expected.grads[0]));
}

// 2^30 channels, channels-last: an element of the bins beyond 2^31 reads a pixel beyond it.
TEST(RoiAlignRuleLargeTest, ElementsBeyond32Bits) {
  using T = BFloat16Bits;
  constexpr int64_t kChannels = int64_t{1} << 30, kChannel = 7;
  const SparseMemory maps(3 * kChannels * int64_t{sizeof(T)});
  const SparseMemory bins(4 * kChannels * int64_t{sizeof(T)});
  if (maps.data() == nullptr || bins.data() == nullptr) {
    GTEST_SKIP() << "the system has no room for 14 GiB of addresses";
  }
  // Rows 1 and 2 of a map of three pixels, in two bins.
  const std::vector<float> rois = {0, 0, 1, 1, 3, 0, 0, 1, 1, 3};
  RoiTable<T> table{};
  table.levels[0] = {
      static_cast<T*>(maps.data()), 3, 1, {3 * kChannels, 1, kChannels, kChannels}, 1};
  table.num_levels = table.images = 1;
  table.channels = kChannels;
  table.num_rois = 2;
  table.rois = rois.data();
  table.pooled_height = 2;
  table.pooled_width = 1;
  table.bins = static_cast<T*>(bins.data());
  table.bin_strides = {2 * kChannels, 1, kChannels, kChannels};
  FromSum(3.5f, table.levels[0].data + 2 * kChannels + kChannel);
  const int64_t last_bin = 3 * kChannels + kChannel;
  const BinPlace place = FindBin(table, last_bin);
  EXPECT_EQ(place.roi, 1);
  EXPECT_EQ(place.channel, kChannel);
  EXPECT_EQ(place.row, 1);
  EXPECT_EQ(place.column, 0);
  RoiAlignElements<T, 1>{table, {{1, true}}}(last_bin);
  EXPECT_EQ(ToSum(table.bins[last_bin]), 3.5f);
  table.bins[last_bin] = T{};
  ASSERT_TRUE(HasRuns<8>(table));
  RoiAlignElements<T, 8>{table, {{1, true}}}(last_bin / 8);
  EXPECT_EQ(ToSum(table.bins[last_bin]), 3.5f);
}

}  // namespace
}  // namespace rcnn::ops

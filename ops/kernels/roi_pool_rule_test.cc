#include "rcnn/ops/kernels/roi_pool_rule.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <tuple>
#include <vector>

#include "rcnn/ops/dispatch.h"
#include "rcnn/ops/kernels/element_types.h"
#include "rcnn/ops/kernels/roi_gather.h"
#include "rcnn/ops/kernels/roi_lists.h"
#include "rcnn/ops/kernels/roi_table.h"
#include "rcnn/ops/roi_pool.h"
#include "rcnn/ops/testing/host_arrays.h"
#include "rcnn/ops/testing/host_grid.h"
#include "rcnn/ops/testing/random_rois.h"
#include "rcnn/ops/testing/test_seed.h"

namespace rcnn::ops {
namespace {

using ::rcnn::ops::testing::HostArrays;
using ::rcnn::ops::testing::HostGrid;
using ::rcnn::ops::testing::HostOrder;
using ::rcnn::ops::testing::kAllHostOrders;
using ::rcnn::ops::testing::RandomMap;
using ::rcnn::ops::testing::RandomRois;
using ::rcnn::ops::testing::TestSeed;

template <typename T>
constexpr at::ScalarType kDtype = at::kFloat;
template <>
constexpr at::ScalarType kDtype<double> = at::kDouble;
template <>
constexpr at::ScalarType kDtype<BFloat16Bits> = at::kBFloat16;

struct Problem {
  at::Tensor map;
  at::Tensor rois;  // of the sums' dtype
  at::Tensor grad;
  RoiPoolOptions options;
};

struct Outcome {
  at::Tensor bins;
  at::Tensor argmax;
  at::Tensor grad_map;
};

Problem RandomProblem(std::mt19937_64& random, at::ScalarType dtype, at::ScalarType roi_dtype) {
  const auto pick = [&](std::vector<int64_t> values) { return values[random() % values.size()]; };
  const auto format =
      random() % 2 == 0 ? at::MemoryFormat::Contiguous : at::MemoryFormat::ChannelsLast;
  const int64_t images = pick({1, 2, 3}), channels = pick({1, 7, 33, 70});
  const int64_t height = pick({1, 5, 8, 33}), width = pick({1, 7, 16, 41});
  Problem problem;
  // Rounded, so that maxima tie.
  problem.map = RandomMap({images, channels, height, width}, at::kDouble, random())
                    .mul(4)
                    .round()
                    .to(dtype)
                    .contiguous(format);
  problem.rois = RandomRois({pick({0, 1, 3, 40, 300}), images, 16.0 * static_cast<double>(height),
                             16.0 * static_cast<double>(width), 60},
                            random())
                     .to(roi_dtype);
  problem.options = {pick({1, 2, 7}), pick({1, 3, 7}), 1.0 / 16};
  problem.grad = RandomMap({problem.rois.size(0), channels, problem.options.pooled_height,
                            problem.options.pooled_width},
                           dtype, random())
                     .contiguous(format);
  return problem;
}

Outcome ByOperator(const Problem& problem) {
  const at::Tensor map = problem.map.detach().requires_grad_();
  const at::Tensor bins = RoiPool(map, problem.rois, problem.options);
  bins.backward(problem.grad);
  static const auto pool = FindOperator<std::tuple<at::Tensor, at::Tensor>(
      const at::Tensor&, const at::Tensor&, double, int64_t, int64_t, bool)>("_roi_pool");
  const RoiPoolOptions& options = problem.options;
  const auto [again, argmax] = pool.call(problem.map, problem.rois, options.spatial_scale,
                                         options.pooled_height, options.pooled_width, true);
  return {bins.detach(), argmax, map.grad()};
}

MapStrides Strides(const at::Tensor& tensor) {
  return {tensor.stride(0), tensor.stride(1), tensor.stride(2), tensor.stride(3)};
}

template <typename T>
Outcome ByGrid(const Problem& problem, HostOrder order) {
  const RoiPoolOptions& options = problem.options;
  Outcome outcome = {at::full_like(problem.grad, 99), at::full_like(problem.grad, 99, at::kInt),
                     at::full_like(problem.map, 99)};
  RoiTable<T> table{};
  table.num_levels = 1;
  table.images = problem.map.size(0);
  table.channels = problem.map.size(1);
  table.levels[0] = {static_cast<T*>(problem.map.data_ptr()), problem.map.size(2),
                     problem.map.size(3), Strides(problem.map), options.spatial_scale};
  table.num_rois = problem.rois.size(0);
  table.rois = problem.rois.data_ptr<typename RoiTable<T>::A>();
  table.pooled_height = options.pooled_height;
  table.pooled_width = options.pooled_width;
  table.bins = static_cast<T*>(outcome.bins.data_ptr());
  table.bin_strides = Strides(outcome.bins);
  const RoiPoolRule<T> rule = {outcome.argmax.data_ptr<int32_t>()};
  HostGrid forward(order, TestSeed());
  PoolRois(forward, table, rule);
  EXPECT_EQ(forward.conflict(), "");
  table.bins = static_cast<T*>(problem.grad.data_ptr());
  table.levels[0].data = static_cast<T*>(outcome.grad_map.data_ptr());
  RoiListScratch scratch{};
  HostArrays arrays;
  PlanRoiLists(table, arrays, &scratch);
  HostGrid backward(order, TestSeed());
  GatherRois(backward, table, rule, scratch);
  EXPECT_EQ(backward.conflict(), "");
  return outcome;
}

template <typename T>
class RoiPoolRuleTest : public ::testing::Test {};
using Types = ::testing::Types<float, double, BFloat16Bits>;
TYPED_TEST_SUITE(RoiPoolRuleTest, Types);

// Bit by bit: both add in the same order.
TYPED_TEST(RoiPoolRuleTest, EqualsTheOperatorOverShapes) {
  std::mt19937_64 random(TestSeed());
  using A = typename ElementSum<TypeParam>::type;
  for (int i = 0; i < 60; ++i) {
    const Problem problem = RandomProblem(random, kDtype<TypeParam>, kDtype<A>);
    const Outcome expected = ByOperator(problem);
    const Outcome actual = ByGrid<TypeParam>(problem, kAllHostOrders[i % 3]);
    EXPECT_TRUE(at::equal(actual.bins, expected.bins));
    EXPECT_TRUE(at::equal(actual.argmax, expected.argmax));
    EXPECT_TRUE(at::equal(actual.grad_map, expected.grad_map));
    if (::testing::Test::HasFailure()) {
      FAIL() << "case " << i << ": map " << problem.map.sizes() << ", bins " << problem.grad.sizes()
             << ", strides " << problem.grad.strides();
    }
  }
}

TYPED_TEST(RoiPoolRuleTest, NanWins) {
  std::mt19937_64 random(TestSeed());
  using A = typename ElementSum<TypeParam>::type;
  Problem problem = RandomProblem(random, kDtype<TypeParam>, kDtype<A>);
  problem.map = RandomMap({1, 2, 9, 9}, kDtype<TypeParam>, 1);
  problem.map.select(2, 4).fill_(std::numeric_limits<double>::quiet_NaN());
  problem.rois = at::tensor({0.0, 16.0, 16.0, 120.0, 130.0}, kDtype<A>).view({1, 5});
  problem.grad = RandomMap({1, 2, problem.options.pooled_height, problem.options.pooled_width},
                           kDtype<TypeParam>, 2);
  const Outcome expected = ByOperator(problem);
  const Outcome actual = ByGrid<TypeParam>(problem, HostOrder::kForward);
  EXPECT_TRUE(at::allclose(actual.bins, expected.bins, 0, 0, /*equal_nan=*/true));
  EXPECT_TRUE(actual.bins.isnan().any().template item<bool>());
  EXPECT_TRUE(at::equal(actual.argmax, expected.argmax));
}

// Expects NaN and no gradient of all RoIs but the first, which has what it has alone.
template <typename T>
void ExpectThatOnlyTheFirstRoiCounts(Problem problem) {
  const Outcome actual = ByGrid<T>(problem, HostOrder::kForward);
  EXPECT_TRUE(actual.bins.slice(0, 1).isnan().all().item<bool>());
  EXPECT_TRUE(actual.argmax.slice(0, 1).eq(-1).all().item<bool>());
  problem.rois = problem.rois.slice(0, 0, 1);
  problem.grad = problem.grad.slice(0, 0, 1).clone();
  const Outcome alone = ByGrid<T>(problem, HostOrder::kForward);
  EXPECT_TRUE(at::equal(actual.bins.slice(0, 0, 1), alone.bins));
  EXPECT_TRUE(at::equal(actual.grad_map, alone.grad_map));
}

// On a device nobody has checked the RoIs. Nothing outside the map is read or written.
TYPED_TEST(RoiPoolRuleTest, ARoiWithNanGivesNanAndNoGradient) {
  using A = typename ElementSum<TypeParam>::type;
  Problem problem;
  problem.map = RandomMap({1, 2, 9, 9}, kDtype<TypeParam>, 1);
  // A RoI, and copies of it with a coordinate that is NaN: one for each, and one for all.
  problem.rois = at::tensor({0.0, 16.0, 16.0, 100.0, 110.0}, kDtype<A>).repeat({6, 1});
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (int64_t i = 1; i < 5; ++i) problem.rois[i][i].fill_(nan);
  problem.rois[5].slice(0, 1).fill_(nan);
  problem.options = {3, 2, 1.0 / 16};
  problem.grad = RandomMap({6, 2, 3, 2}, kDtype<TypeParam>, 2);
  ExpectThatOnlyTheFirstRoiCounts<TypeParam>(problem);
}

TYPED_TEST(RoiPoolRuleTest, ARoiOfNoImageGivesNanAndNoGradient) {
  using A = typename ElementSum<TypeParam>::type;
  Problem problem;
  problem.map = RandomMap({2, 2, 9, 9}, kDtype<TypeParam>, 1);
  // A RoI, and copies of it whose image is none of the batch.
  problem.rois = at::tensor({1.0, 16.0, 16.0, 100.0, 110.0}, kDtype<A>).repeat({5, 1});
  const double nan = std::numeric_limits<double>::quiet_NaN();
  problem.rois.select(1, 0).copy_(at::tensor({1.0, 2.0, -1.0, 1e30, nan}, at::kDouble));
  problem.options = {3, 2, 1.0 / 16};
  problem.grad = RandomMap({5, 2, 3, 2}, kDtype<TypeParam>, 2);
  ExpectThatOnlyTheFirstRoiCounts<TypeParam>(problem);
}

// Nine of ten RoIs are outside the map, so that the host is done with the gradient in time.
TEST(RoiPoolRuleLargeTest, MillionRois) {
  constexpr int64_t kRois = 1000000;
  at::Generator generator = at::detail::createCPUGenerator(TestSeed());
  const at::Tensor outside = at::arange(kRois).remainder(10).ne(0).unsqueeze(1);
  const at::Tensor corners = at::rand({kRois, 2}, generator) * 180 + outside * 1000;
  const at::Tensor sides = at::rand({kRois, 2}, generator) * 50;
  Problem problem;
  // Rounded, so that maxima tie.
  problem.map = RandomMap({1, 1, 12, 15}, at::kDouble, 1).mul(4).round().to(at::kFloat);
  problem.rois = at::cat({at::zeros({kRois, 1}), corners, corners + sides}, 1);
  problem.options = {1, 1, 1.0 / 16};
  problem.grad = RandomMap({kRois, 1, 1, 1}, at::kFloat, 2);
  const Outcome expected = ByOperator(problem);
  const Outcome actual = ByGrid<float>(problem, HostOrder::kReversed);
  EXPECT_TRUE(at::equal(actual.bins, expected.bins));
  EXPECT_TRUE(at::equal(actual.argmax, expected.argmax));
  EXPECT_TRUE(at::equal(actual.grad_map, expected.grad_map));
  EXPECT_EQ(expected.argmax.ge(0).sum().item<int64_t>(), kRois / 10);
}

}  // namespace
}  // namespace rcnn::ops

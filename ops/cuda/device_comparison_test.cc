#include "rcnn/ops/cuda/device_comparison.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "rcnn/ops/cuda/compared_boxes.h"
#include "rcnn/ops/cuda/compared_rois.h"
#include "rcnn/ops/cuda/compared_training.h"
#include "rcnn/ops/testing/far_device.h"

namespace rcnn::ops {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const c10::Device kCpu(c10::DeviceType::CPU);

std::vector<ComparedOperator> AllOperators() {
  std::vector<ComparedOperator> all = ComparedBoxOperators();
  for (const ComparedOperator& compared : ComparedRoiOperators()) all.push_back(compared);
  for (const ComparedOperator& compared : ComparedTrainingOperators()) all.push_back(compared);
  return all;
}

// An operator whose second call, which is that on the device, returns `second`.
ComparedOperator Returning(const at::Tensor& first, const at::Tensor& second, double tolerance) {
  return {"two results", {}, tolerance, [=](ArgumentDraw&) -> DeviceCall {
            const auto calls = std::make_shared<int>(0);
            return [=](const c10::Device&) -> std::vector<at::Tensor> {
              return {(*calls)++ == 0 ? first : second};
            };
          }};
}

DeviceDifference Compare(const ComparedOperator& compared) {
  ArgumentDraw draw(1, 0, false);
  return CompareWithCpu(compared, kCpu, draw);
}

TEST(DeviceComparisonTest, ADifferenceIsAShareOfTheLargestValue) {
  const at::Tensor expected = at::tensor({100.0f, -200.0f});
  const ComparedOperator compared = Returning(expected, expected + 1, 0.01);
  EXPECT_NEAR(Compare(compared).largest, 1.0 / 200, 1e-9);
  EXPECT_THAT(Compare(compared).problem, IsEmpty());
}

TEST(DeviceComparisonTest, NoDifferenceIsLargerThanNaN) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(LargerDifference(1, 2), 2);
  EXPECT_EQ(LargerDifference(2, 1), 2);
  EXPECT_TRUE(std::isnan(LargerDifference(1, nan)));
  EXPECT_TRUE(std::isnan(LargerDifference(nan, 1)));
}

TEST(DeviceComparisonTest, ALargerDifferenceIsAProblem) {
  const at::Tensor expected = at::tensor({100.0f, -200.0f});
  EXPECT_THAT(Compare(Returning(expected, expected + 3, 0.01)).problem,
              HasSubstr("differs by 0.015, more than 0.01"));
}

TEST(DeviceComparisonTest, NanIsAProblem) {
  const at::Tensor expected = at::ones({2});
  EXPECT_THAT(Compare(Returning(expected, expected / 0 - expected / 0, 0.5)).problem,
              HasSubstr("nan"));
}

TEST(DeviceComparisonTest, IntegersMustBeEqual) {
  const at::Tensor expected = at::arange(1000);
  const at::Tensor found = expected.clone();
  found[7] = 8;
  EXPECT_THAT(Compare(Returning(expected, found, 0.5)).problem, HasSubstr("differs by 1"));
}

TEST(DeviceComparisonTest, OtherSizesAndTypesAreProblems) {
  EXPECT_THAT(Compare(Returning(at::ones({2}), at::ones({3}), 1)).problem,
              HasSubstr("[3] Float instead of [2] Float"));
  EXPECT_THAT(Compare(Returning(at::ones({2}), at::ones({2}, at::kDouble), 1)).problem,
              HasSubstr("Double instead of"));
}

TEST(DeviceComparisonTest, AnExceptionIsAProblem) {
  const ComparedOperator compared = {"throws", {}, 0, [](ArgumentDraw&) -> DeviceCall {
                                       throw std::runtime_error("out of order");
                                     }};
  EXPECT_EQ(Compare(compared).problem, "out of order");
}

TEST(DeviceComparisonTest, TheCpuEqualsItself) {
  for (const ComparedOperator& compared : AllOperators()) {
    for (int64_t round = 0; round < 6; ++round) {
      ArgumentDraw draw(1, round, /*large=*/false);
      const DeviceDifference found = CompareWithCpu(compared, kCpu, draw);
      EXPECT_EQ(found.problem, "") << compared.name << ", round " << round;
      EXPECT_EQ(found.largest, 0) << compared.name << ", round " << round;
    }
  }
}

// Operators that other devices copy to the CPU: they throw unless all arguments are on the device.
TEST(DeviceComparisonTest, ArgumentsAreMovedToTheDevice) {
  std::set<std::string> copied = {
      "match_boxes",      "match_batch",         "sample_by_counters", "nms",         "batched_nms",
      "counted_nms",      "counted_batched_nms", "counted_proposals",  "random_mask", "preprocess",
      "preprocess_batch", "place_anchors",       "counted_detections"};
  for (const ComparedOperator& compared : AllOperators()) {
    if (copied.erase(compared.name) == 0) continue;
    ArgumentDraw draw(1, 3, /*large=*/false);
    EXPECT_EQ(CompareWithCpu(compared, testing::FarDevice(), draw).problem, "") << compared.name;
  }
  EXPECT_THAT(copied, IsEmpty());
}

// The registered operators that no comparison calls.
std::set<std::string> NotCompared() {
  std::set<std::string> names;
  for (const c10::OperatorName& op : c10::Dispatcher::singleton().getAllOpNames()) {
    if (!absl::StartsWith(op.name, "rcnn::")) continue;
    const std::string overload = op.overload_name.empty() ? "" : "." + op.overload_name;
    names.insert(op.name.substr(sizeof("rcnn::") - 1) + overload);
  }
  for (const ComparedOperator& compared : AllOperators()) {
    for (const std::string& op : compared.operators) names.erase(op);
  }
  return names;
}

// A new operator must be added to compared_boxes.cc, compared_rois.cc or compared_training.cc.
// These have no kernel: they are composed of ATen's operators, and "proposals" calls
// "proposals.sizes".
TEST(DeviceComparisonTest, EveryOperatorIsCompared) {
  EXPECT_THAT(NotCompared(),
              UnorderedElementsAre("anchors_inside_image", "base_anchors", "flip_boxes",
                                   "proposals", "scale_boxes", "smooth_l1"));
}

TEST(ArgumentDrawTest, TheFirstRoundsHaveNoneOneAndManyRows) {
  EXPECT_EQ(ArgumentDraw(1, 0, false).Rows(), 0);
  EXPECT_EQ(ArgumentDraw(1, 1, false).Rows(), 1);
  EXPECT_EQ(ArgumentDraw(1, 2, false).Rows(), 5000);
  EXPECT_EQ(ArgumentDraw(1, 2, true).Rows(), 1000000);
}

TEST(ArgumentDrawTest, SeedAndRoundDetermineTheArguments) {
  const auto boxes = [](uint64_t seed, int64_t round) {
    return ArgumentDraw(seed, round, false).Boxes(5, at::kFloat);
  };
  EXPECT_TRUE(at::equal(boxes(1, 3), boxes(1, 3)));
  EXPECT_FALSE(at::equal(boxes(1, 3), boxes(1, 4)));
  EXPECT_FALSE(at::equal(boxes(1, 3), boxes(2, 3)));
}

}  // namespace
}  // namespace rcnn::ops

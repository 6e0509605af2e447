#include "rcnn/eval/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/eval/coco_eval.h"

namespace rcnn::eval {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Failures(const std::vector<Metric>& metrics, const std::string& floors) {
  const auto parsed = ParseFloors(floors);
  EXPECT_THAT(parsed, IsOk());
  const auto failures = BelowFloor(metrics, *parsed);
  EXPECT_THAT(failures, IsOk());
  return *failures;
}

TEST(CocoMetricsTest, NamesEveryNumber) {
  GroundTruth truth;
  truth.images = {{1, ""}};
  truth.categories = {{1, "cat"}};
  truth.annotations = {{1, 1, 1, {0, 0, 100, 100}, 10000}, {2, 1, 1, {200, 0, 100, 100}, 10000}};
  Detections detections;
  detections.Add({1, 1, {0, 0, 100, 100}, 0.5});
  detections.Add({1, 1, {200, 0, 100, 100}, 0.4});
  const auto evaluation = EvaluateCoco(truth, detections, {.max_detections = {1000, 1, 10, 100}});
  ASSERT_THAT(evaluation, IsOk());
  std::vector<std::string> names;
  for (const Metric& metric : CocoMetrics(*evaluation)) {
    names.push_back(metric.name);
    if (metric.name == "ar1") {
      EXPECT_EQ(metric.value, 0.5);
    }
    if (metric.name == "ar1000") {
      EXPECT_EQ(metric.value, 1);
    }
    if (metric.name == "ap_small") {
      EXPECT_EQ(metric.value, -1);
    }
    if (metric.name == "ap_large") {
      EXPECT_GT(metric.value, 0.999);
    }
  }
  EXPECT_THAT(names, ElementsAre("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar1",
                                 "ar10", "ar100", "ar1000", "ar_small", "ar_medium", "ar_large"));
}

TEST(BelowFloorTest, NamesMetricsTooLowOrUndefined) {
  const std::vector<Metric> metrics = {
      {"ap", 0.5}, {"ap_small", -1}, {"voc10", std::numeric_limits<double>::quiet_NaN()}};
  EXPECT_THAT(Failures(metrics, ""), IsEmpty());
  EXPECT_THAT(Failures(metrics, "ap=0.5"), IsEmpty());
  EXPECT_THAT(Failures(metrics, " ap = 0.51 "), ElementsAre("ap is 0.5; its minimum is 0.51"));
  EXPECT_THAT(Failures(metrics, "ap_small=0,voc10=0"),
              ElementsAre(HasSubstr("ap_small is not defined"), HasSubstr("voc10 is not defined")));
}

TEST(BelowFloorTest, UnknownNamesAreErrorsThatListTheKnown) {
  const auto failures = BelowFloor({{"ap", 0.5}, {"ap50", 1}}, {{"mAP", 0.1}});
  EXPECT_THAT(failures, StatusIs(absl::StatusCode::kInvalidArgument,
                                 AllOf(HasSubstr("'mAP'"), HasSubstr("ap, ap50"))));
}

TEST(ParseFloorsTest, RejectsAnythingButNameEqualsNumber) {
  for (const char* bad : {"ap50", "ap50=", "=0.5", "ap50=high", "ap=0.5;ap50=1", "ap=nan"}) {
    EXPECT_THAT(ParseFloors(bad), ::testing::Not(IsOk())) << bad;
  }
  EXPECT_THAT(ParseFloors("ap=1,ap=2"), StatusIs(absl::StatusCode::kInvalidArgument,
                                                 HasSubstr("two minimums for ap; give one")));
}

}  // namespace
}  // namespace rcnn::eval

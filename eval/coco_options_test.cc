#include "rcnn/eval/coco_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::eval {
namespace {

using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

TEST(CocoThresholdsTest, HaveNumpysBits) {
  EXPECT_THAT(
      CocoIouThresholds(),
      ElementsAreArray({0x1.0p-1, 0x1.199999999999ap-1, 0x1.3333333333333p-1, 0x1.4cccccccccccdp-1,
                        0x1.6666666666666p-1, 0x1.8p-1, 0x1.999999999999ap-1, 0x1.b333333333333p-1,
                        0x1.cccccccccccccp-1, 0x1.e666666666666p-1}));
  const std::vector<double> recalls = CocoRecallThresholds();
  ASSERT_EQ(recalls.size(), 101u);
  for (int i = 0; i <= 100; ++i) EXPECT_EQ(recalls[i], i * 0.01) << i;
}

TEST(CocoAreaRangesTest, ShareTheirLimits) {
  const std::vector<AreaRange> areas = CocoAreaRanges();
  ASSERT_EQ(areas.size(), 4u);
  EXPECT_EQ(areas[0].high, 1e10);
  EXPECT_EQ(areas[1].high, 32 * 32);
  EXPECT_EQ(areas[2].low, areas[1].high);
  EXPECT_EQ(areas[2].high, 96 * 96);
  EXPECT_EQ(areas[3].low, areas[2].high);
}

TEST(CheckOptionsTest, TheDefaultsAreFine) { EXPECT_THAT(CheckOptions({}), IsOk()); }

TEST(CheckOptionsTest, NamesTheBadValue) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const struct {
    CocoEvalOptions options;
    const char* message;
  } kCases[] = {
      {{.iou_thresholds = {0.5, nan}}, "nan is not in [0, 1]"},
      {{.iou_thresholds = {-0.1}}, "-0.1 is not in [0, 1]"},
      {{.recall_thresholds = {0, nan, 1}}, "recall"},
      {{.areas = {{"none", nan, nan}}}, "area range none"},
      {{.max_detections = {10, -3}}, "max_detections has -3"},
  };
  for (const auto& bad : kCases) {
    EXPECT_THAT(CheckOptions(bad.options),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(bad.message)));
  }
}

}  // namespace
}  // namespace rcnn::eval

#include "rcnn/eval/coco_flags.h"

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::eval {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(CocoFlagsTest, NumbersAreSeparatedByCommas) {
  EXPECT_THAT(ParseNumbers("iou_thresholds", "0.5, 0.75,"), IsOkAndHolds(ElementsAre(0.5, 0.75)));
  EXPECT_THAT(ParseNumbers("iou_thresholds", ""), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(ParseNumbers("iou_thresholds", "0.5,half"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("--iou_thresholds: 'half' is not a number")));
}

TEST(CocoFlagsTest, CountsAreWholeAndEachThereOnce) {
  EXPECT_THAT(ParseCounts("max_detections", "1,10"), IsOkAndHolds(ElementsAre(1, 10)));
  for (const char* wrong : {"0", "-1", "1.5", "many"}) {
    EXPECT_THAT(ParseCounts("max_detections", wrong),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--max_detections: '")))
        << wrong;
  }
  EXPECT_THAT(ParseCounts("max_detections", "1,10,1"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 is a duplicate")));
}

TEST(CocoFlagsTest, AnAreaReplacesTheOneOfItsName) {
  std::vector<AreaRange> areas = {{"all", 0, 1e10}, {"small", 0, 1024}};
  EXPECT_THAT(AddAreas("tiny:0:256,small:256:1024", areas), IsOk());
  ASSERT_EQ(areas.size(), 3u);
  EXPECT_EQ(areas[1].low, 256);
  EXPECT_EQ(areas[2].name, "tiny");
  EXPECT_EQ(areas[2].high, 256);
  for (const char* wrong : {"tiny", "tiny:0", ":0:1", "tiny:0:x", "tiny:0:1:2"}) {
    EXPECT_THAT(AddAreas(wrong, areas),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is not NAME:LOW:HIGH")))
        << wrong;
  }
}

}  // namespace
}  // namespace rcnn::eval

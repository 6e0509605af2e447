#include "rcnn/eval/coco_matching.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace rcnn::eval {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A box of width `width` at (x, 0), 10 high, and an annotation of it.
XywhBox Wide(double x, double width) { return {x, 0, width, 10}; }

Annotation Object(int64_t id, const XywhBox& box, bool crowd = false) {
  return {id, 1, 1, box, box.width * box.height, crowd};
}

class CellMatcherTest : public ::testing::Test {
 protected:
  // The codes of all touched detections, at one area range.
  std::vector<int> Match(const std::vector<XywhBox>& boxes,
                         const std::vector<Annotation>& annotations) {
    std::vector<const Annotation*> pointers;
    for (const Annotation& a : annotations) pointers.push_back(&a);
    CellMatcher matcher(options_);
    matcher.Match(boxes, pointers);
    touched_.assign(matcher.touched().begin(), matcher.touched().end());
    return std::vector<int>(matcher.codes().begin(), matcher.codes().end());
  }

  CocoEvalOptions options_ = {.iou_thresholds = {0.5}, .areas = {{"all", 0, 1e10}}};
  std::vector<int64_t> touched_;
};

TEST(CocoIouTest, IsIntersectionOverUnion) {
  EXPECT_EQ(CocoIou(Wide(0, 10), Wide(0, 10), false), 1);
  EXPECT_EQ(CocoIou(Wide(0, 10), Wide(5, 10), false), 50 / 150.);
  EXPECT_EQ(CocoIou(Wide(0, 10), Wide(10, 10), false), 0) << "a common edge is not an overlap";
  EXPECT_EQ(CocoIou(Wide(0, 10), {0, 10, 10, 10}, false), 0);
  EXPECT_EQ(CocoIou(Wide(0, 0), Wide(0, 0), false), 0);
  EXPECT_EQ(CocoIou(Wide(-20, 10), {-20, 0, 20, 10}, false), 0.5);
}

TEST(CocoIouTest, ACrowdIsMeasuredByTheDetection) {
  EXPECT_EQ(CocoIou(Wide(0, 10), Wide(5, 1000), true), 0.5);
  EXPECT_EQ(CocoIou(Wide(5, 1000), Wide(0, 10), true), 50 / 10000.);
}

TEST(IsIgnoredTest, BothLimitsBelongToTheRange) {
  const AreaRange range = {"some", 10, 100};
  for (double area : {10., 55., 100.}) EXPECT_FALSE(IsIgnored({1, 1, 1, {}, area}, range));
  for (double area : {9.999, 100.001}) EXPECT_TRUE(IsIgnored({1, 1, 1, {}, area}, range));
  EXPECT_TRUE(IsIgnored({1, 1, 1, {}, 55, /*crowd=*/true}, range));
}

TEST_F(CellMatcherTest, AnIouOfTheThresholdIsAMatch) {
  EXPECT_THAT(Match({Wide(0, 5), Wide(0, 4.999)}, {Object(1, Wide(0, 10))}),
              ElementsAre(kTruePositive));
  EXPECT_THAT(touched_, ElementsAre(0));
}

TEST_F(CellMatcherTest, AThresholdOfOneIsReachedByAnEqualBox) {
  options_.iou_thresholds = {1.0};
  EXPECT_THAT(Match({Wide(0, 10)}, {Object(1, Wide(0, 10))}), ElementsAre(kTruePositive));
}

TEST_F(CellMatcherTest, AnAnnotationIsTakenOnce) {
  EXPECT_THAT(Match({Wide(0, 9), Wide(0, 10)}, {Object(1, Wide(0, 10))}),
              ElementsAre(kTruePositive, kNoMatch));
}

TEST_F(CellMatcherTest, TheSecondBestIsTakenWhenTheBestIsGone) {
  EXPECT_THAT(Match({Wide(0, 10), Wide(0, 10)}, {Object(1, Wide(0, 10)), Object(2, Wide(2, 10))}),
              ElementsAre(kTruePositive, kTruePositive));
}

TEST_F(CellMatcherTest, TheLaterOfEqualIousIsTaken) {
  // A match with the id 0 counts as none, which shows which one was taken.
  const Annotation one = Object(1, Wide(0, 10));
  const Annotation zero = Object(0, Wide(0, 10));
  EXPECT_THAT(Match({Wide(0, 10)}, {one, zero}), ElementsAre(kNoMatch));
  EXPECT_THAT(Match({Wide(0, 10)}, {zero, one}), ElementsAre(kTruePositive));
}

TEST_F(CellMatcherTest, ACrowdTakesAnyNumber) {
  const std::vector<XywhBox> boxes = {Wide(0, 10), Wide(5, 10), Wide(40, 10)};
  EXPECT_THAT(Match(boxes, {Object(1, Wide(0, 100), true)}),
              ElementsAre(kIgnoredMatch, kIgnoredMatch, kIgnoredMatch));
}

TEST_F(CellMatcherTest, AnOrdinaryAnnotationComesBeforeABetterCrowd) {
  const std::vector<Annotation> annotations = {Object(1, Wide(0, 100), true),
                                               Object(2, Wide(3, 10))};
  EXPECT_THAT(Match({Wide(0, 10), Wide(0, 10)}, annotations),
              ElementsAre(kTruePositive, kIgnoredMatch));
}

TEST_F(CellMatcherTest, CodesAreByAreaAndThreshold) {
  options_.iou_thresholds = {0.5, 0.9};
  options_.areas = {{"all", 0, 1e10}, {"small", 0, 50}};
  EXPECT_THAT(Match({Wide(50, 10), Wide(0, 8)}, {Object(1, Wide(0, 10))}),
              ElementsAre(kTruePositive, kNoMatch, kIgnoredMatch, kNoMatch));
  EXPECT_THAT(touched_, ElementsAre(1)) << "the first overlaps nothing";
}

TEST_F(CellMatcherTest, EmptySidesTouchNothing) {
  EXPECT_THAT(Match({}, {Object(1, Wide(0, 10))}), IsEmpty());
  EXPECT_THAT(Match({Wide(0, 10)}, {}), IsEmpty());
  EXPECT_THAT(touched_, IsEmpty());
}

}  // namespace
}  // namespace rcnn::eval

#include "rcnn/data/yolo/yolo_labels.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::data {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

auto Near(double x, double y, double width, double height) {
  const double e = 1e-12;
  return ElementsAre(DoubleNear(x, e), DoubleNear(y, e), DoubleNear(width, e),
                     DoubleNear(height, e));
}

TEST(ParseYoloLabels, ReadsBoxesByTheirCentres) {
  const auto objects = ParseYoloLabels(
      "\xef\xbb\xbf"
      "0 0.5 0.4 0.2 0.1\r\n\n 17\t.25 0.25 .5 .5 ");
  ASSERT_THAT(objects, SizeIs(2));
  EXPECT_EQ(objects[0].class_number, 0);
  EXPECT_THAT(objects[0].xywh, Near(0.4, 0.35, 0.2, 0.1));
  EXPECT_FALSE(objects[0].polygon);
  EXPECT_EQ(objects[1].class_number, 17);
  EXPECT_THAT(objects[1].xywh, Near(0, 0, 0.5, 0.5));
  EXPECT_THAT(objects[1].text, HasSubstr("line 3"));
  EXPECT_FALSE(objects[0].problem || objects[1].problem);
}

TEST(ParseYoloLabels, LinesMayEndAsOnAnySystem) {
  for (const char* text : {"0 .5 .5 .5 .5\n1 .5 .5 .5 .5\n\n2 .5 .5 .5 .5",
                           "0 .5 .5 .5 .5\r\n1 .5 .5 .5 .5\r\n\r\n2 .5 .5 .5 .5\r\n",
                           "0 .5 .5 .5 .5\r1 .5 .5 .5 .5\r\r2 .5 .5 .5 .5\r"}) {
    const auto objects = ParseYoloLabels(text);
    ASSERT_THAT(objects, SizeIs(3)) << text;
    EXPECT_EQ(objects[2].class_number, 2);
    EXPECT_THAT(objects[2].text, HasSubstr("line 4"));
  }
}

TEST(ParseYoloLabels, TakesTheBoundsOfPolygons) {
  const auto objects = ParseYoloLabels("2 0.1 0.5 0.3 0.2 0.4 0.7\n1 0 0 1 0 1 1 0 1");
  ASSERT_THAT(objects, SizeIs(2));
  EXPECT_TRUE(objects[0].polygon);
  EXPECT_THAT(objects[0].xywh, Near(0.1, 0.2, 0.3, 0.5));
  EXPECT_THAT(objects[1].xywh, Near(0, 0, 1, 1));
}

TEST(ParseYoloLabels, SkipsKeypoints) {
  const auto objects = ParseYoloLabels("0 0.5 0.5 0.2 0.2 0.9 0.9 2 0.1 0.1 1", true);
  ASSERT_THAT(objects, SizeIs(1));
  EXPECT_FALSE(objects[0].polygon);
  EXPECT_THAT(objects[0].xywh, Near(0.4, 0.4, 0.2, 0.2));
}

TEST(ParseYoloLabels, KnowsPolygonsThatCouldBeKeypoints) {
  const auto fits = [](const std::string& line) {
    const auto objects = ParseYoloLabels(line);
    EXPECT_THAT(objects, SizeIs(1));
    EXPECT_TRUE(objects.at(0).polygon) << line;
    return objects.at(0).fits_keypoints;
  };
  // A box of 0.3..0.7, then points in it; one is not labelled.
  EXPECT_TRUE(fits("0 0.5 0.5 0.4 0.4 0.31 0.35 0.69 0.5 0 0"));
  EXPECT_TRUE(fits("0 0.5 0.5 0.4 0.4 0.31 0.35 2 0.69 0.5 1"));
  EXPECT_FALSE(fits("0 0.5 0.5 0.4 0.4 0.31 0.35 0.71 0.5"));
  EXPECT_FALSE(fits("0 0.5 0.5 0.4 0.4 0.31 0.29 2 0.69 0.5 1"));
  // Corners of a square.
  EXPECT_FALSE(fits("0 0.3 0.3 0.7 0.3 0.7 0.7 0.3 0.7"));
  EXPECT_FALSE(fits("0 0.8 0.8 0.9 0.8 0.9 0.9"));
}

TEST(ParseYoloLabels, SaysWhatIsWrongWithALine) {
  const auto objects = ParseYoloLabels(
      "0 0.5 0.5 0.2\n0 0.5 0.5 0.2 0.1 0.9\ncat 0.5 0.5 0.2 0.1\n0 nan 0.5 0.2 0.1\n"
      "0.5 0.5 0.5 0.2 0.1\n-1 0.5 0.5 0.2 0.1");
  ASSERT_THAT(objects, SizeIs(6));
  EXPECT_EQ(objects[0].problem, DefectKind::kMissingField);
  EXPECT_EQ(objects[1].problem, DefectKind::kMissingField);
  EXPECT_THAT(objects[1].text, HasSubstr("line 2: 0 0.5 0.5 0.2 0.1 0.9: 5 numbers"));
  EXPECT_THAT(objects[1].text, HasSubstr("detections with scores are not labels"));
  for (size_t i = 2; i < 6; ++i) EXPECT_EQ(objects[i].problem, DefectKind::kBadNumber) << i;
  EXPECT_THAT(objects[2].text, HasSubstr("\"cat\" is not a number"));
}

TEST(ParseYoloLabels, SaysThatValuesAreSeparatedBySpaces) {
  const auto objects =
      ParseYoloLabels("0,0.5,0.5,0.2,0.1\n0, 0.5, 0.5, 0.2, 0.1\n0 0,5 0,5 0,2 0,1\n");
  ASSERT_THAT(objects, SizeIs(3));
  for (const YoloObject& object : objects) {
    EXPECT_EQ(object.problem, DefectKind::kBadNumber) << object.text;
    EXPECT_THAT(object.text, HasSubstr("values are separated by spaces, without commas"));
  }
  EXPECT_THAT(ParseYoloLabels("cat 0.5 0.5 0.2 0.1")[0].text, Not(HasSubstr("commas")));
}

TEST(ParseYoloLabels, AnEmptyFileHasNoObjects) {
  EXPECT_THAT(ParseYoloLabels(""), SizeIs(0));
  EXPECT_THAT(ParseYoloLabels("\n \r\n"), SizeIs(0));
}

}  // namespace
}  // namespace rcnn::data

#include "rcnn/eval/drawing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <opencv2/imgproc.hpp>

namespace rcnn::eval {
namespace {

int CountNear(const cv::Mat& image, const cv::Scalar& color) {
  cv::Mat mask;
  const cv::Scalar slack(6, 6, 6);
  cv::inRange(image, color - slack, color + slack, mask);
  return cv::countNonZero(mask);
}

TEST(DrawBoxesTest, EnlargesSmallImagesAndKeepsLargeOnes) {
  EXPECT_EQ(DrawBoxes(cv::Mat::zeros(128, 160, CV_8UC3), {}).cols, 800);
  EXPECT_EQ(DrawBoxes(cv::Mat::zeros(900, 1200, CV_8UC3), {}).cols, 1200);
}

TEST(DrawBoxesTest, DrawsEveryKindInItsColourAndKeepsTheInput) {
  const cv::Mat image(300, 400, CV_8UC3, cv::Scalar(80, 90, 100));
  const cv::Mat before = image.clone();
  for (BoxKind kind : {BoxKind::kHit, BoxKind::kFalsePositive, BoxKind::kMiss, BoxKind::kNeutral}) {
    const cv::Mat drawn = DrawBoxes(image, {{kind, {100, 100, 80, 60}, "cat 0.9"}});
    EXPECT_GT(CountNear(drawn, PickColor(kind)), 500) << KindName(kind);
    EXPECT_EQ(CountNear(DrawBoxes(image, {}), PickColor(kind)), 0) << KindName(kind);
  }
  EXPECT_EQ(cv::norm(image, before, cv::NORM_INF), 0);
}

TEST(DrawBoxesTest, BoxMayHaveItsOwnColour) {
  const cv::Mat image(300, 400, CV_8UC3, cv::Scalar(80, 90, 100));
  const cv::Scalar color(10, 200, 30);
  const cv::Mat drawn = DrawBoxes(image, {{BoxKind::kHit, {100, 100, 80, 60}, "cat 0.9", color}});
  EXPECT_GT(CountNear(drawn, color), 500);
  EXPECT_EQ(CountNear(drawn, PickColor(BoxKind::kHit)), 0);
}

// White on a dark plate, dark on a light one.
TEST(DrawBoxesTest, TextIsReadableOnAnyPlate) {
  const cv::Mat image(300, 400, CV_8UC3, cv::Scalar(80, 90, 100));
  const cv::Scalar white(255, 255, 255);
  for (const auto& [plate, is_white] :
       {std::pair(cv::Scalar(178, 114, 0), true), std::pair(cv::Scalar(66, 228, 240), false)}) {
    const cv::Mat drawn = DrawBoxes(image, {{BoxKind::kHit, {100, 100, 80, 60}, "cat 0.9", plate}});
    EXPECT_EQ(CountNear(drawn, white) > 50, is_white) << plate;
  }
}

TEST(DrawBoxesTest, BoxesOutsideAndWithoutAreaAreDrawnAtTheBorder) {
  const cv::Mat image = cv::Mat::zeros(100, 100, CV_8UC3);
  const cv::Mat drawn = DrawBoxes(image, {{BoxKind::kHit, {-500, -500, 2000, 2000}, "huge"},
                                          {BoxKind::kMiss, {1e9, 1e9, 5, 5}, "far away"},
                                          {BoxKind::kFalsePositive, {50, 50, 0, 0}, ""}});
  EXPECT_EQ(drawn.size(), cv::Size(800, 800));
}

TEST(DrawBoxesTest, PlatesOfTheSameBoxDoNotCoverEachOther) {
  const cv::Mat image = cv::Mat::zeros(400, 400, CV_8UC3);
  const XywhBox box = {150, 150, 100, 100};
  const int one =
      CountNear(DrawBoxes(image, {{BoxKind::kHit, box, "same"}}), PickColor(BoxKind::kHit));
  const int two =
      CountNear(DrawBoxes(image, {{BoxKind::kHit, box, "same"}, {BoxKind::kHit, box, "same"}}),
                PickColor(BoxKind::kHit));
  const int frame =
      CountNear(DrawBoxes(image, {{BoxKind::kHit, box, ""}}), PickColor(BoxKind::kHit));
  EXPECT_GT(two - frame, 1.8 * (one - frame));
}

// Two fifths of the width of the image at most, the box apart.
TEST(DrawBoxesTest, ALongNameDoesNotCoverTheImage) {
  const cv::Mat image = cv::Mat::zeros(800, 800, CV_8UC3);
  const XywhBox box = {300, 300, 50, 50};
  const std::string name(200, 'n');
  const int plate =
      CountNear(DrawBoxes(image, {{BoxKind::kHit, box, name}}), PickColor(BoxKind::kHit)) -
      CountNear(DrawBoxes(image, {{BoxKind::kHit, box, ""}}), PickColor(BoxKind::kHit));
  EXPECT_GT(plate, 0);
  EXPECT_LT(plate, 320 * 30);
}

// Simulates red-blindness and green-blindness (Vienot, Brettel, Mollon 1999, on
// linear RGB) and compares the colours again.
TEST(ColorOfTest, KindsAreDistinguishableWithColourBlindness) {
  const double kProtan[3][3] = {
      {0.11238, 0.88762, 0}, {0.11238, 0.88762, 0}, {0.00401, -0.00401, 1}};
  const double kDeutan[3][3] = {
      {0.29275, 0.70725, 0}, {0.29275, 0.70725, 0}, {-0.02234, 0.02234, 1}};
  const BoxKind kinds[] = {BoxKind::kHit, BoxKind::kFalsePositive, BoxKind::kMiss};
  for (const auto& matrix : {kProtan, kDeutan}) {
    for (BoxKind a : kinds) {
      for (BoxKind b : kinds) {
        if (a == b) continue;
        double distance = 0;
        for (int row = 0; row < 3; ++row) {
          double difference = 0;
          for (int channel = 0; channel < 3; ++channel) {
            auto linear = [&](BoxKind kind) {
              return std::pow(PickColor(kind)[2 - channel] / 255, 2.2);
            };
            difference += matrix[row][channel] * (linear(a) - linear(b));
          }
          distance += difference * difference;
        }
        EXPECT_GT(std::sqrt(distance), 0.3) << KindName(a) << " and " << KindName(b);
      }
    }
  }
}

}  // namespace
}  // namespace rcnn::eval

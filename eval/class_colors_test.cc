#include "rcnn/eval/class_colors.h"

#include "gtest/gtest.h"

namespace rcnn::eval {
namespace {

TEST(ClassColorTest, ChannelsAreBytes) {
  for (int64_t label = 1; label <= 1000; ++label) {
    const cv::Scalar color = ClassColor(label);
    for (int c = 0; c < 3; ++c) {
      EXPECT_GE(color[c], 0) << label;
      EXPECT_LE(color[c], 255) << label;
    }
  }
}

// As many as COCO has.
TEST(ClassColorTest, EightyClassesHaveEightyColours) {
  for (int64_t a = 1; a <= 80; ++a) {
    for (int64_t b = 1; b < a; ++b) {
      EXPECT_GT(cv::norm(ClassColor(a) - ClassColor(b)), 12) << a << " and " << b;
    }
  }
}

TEST(ClassColorTest, NeighboursDifferALot) {
  for (int64_t label = 1; label < 80; ++label) {
    EXPECT_GT(cv::norm(ClassColor(label) - ClassColor(label + 1)), 90) << label;
  }
}

// The eighth class has the hue of 120 degrees.
TEST(ClassColorTest, HuesAreThoseOfTheCircle) {
  const cv::Scalar green = ClassColor(8);
  EXPECT_GT(green[1], 200);
  EXPECT_LT(green[0], 100);
  EXPECT_EQ(green[0], green[2]);
}

}  // namespace
}  // namespace rcnn::eval

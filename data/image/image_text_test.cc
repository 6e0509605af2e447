#include "rcnn/data/image/image_text.h"

#include <opencv2/core.hpp>
#include <string>
#include <utility>

#include "gtest/gtest.h"

namespace rcnn::data {
namespace {

TEST(DrawableTextTest, DropsTheMarksOfLatinLetters) {
  EXPECT_EQ(DrawableText("cat 0.93 ~"), "cat 0.93 ~");
  EXPECT_EQ(DrawableText("Gr\xc3\xb6\xc3\x9f"
                         "e"),
            "Grosse");
  EXPECT_EQ(DrawableText("\xc3\x80\xc3\xbf"), "Ay");            // U+00C0, U+00FF
  EXPECT_EQ(DrawableText("\xc4\x80\xc5\xbf\xc5\x93"), "Asoe");  // U+0100, U+017F, U+0153
  EXPECT_EQ(DrawableText("\xc5\x81\xc3\xb3"
                         "d\xc5\xba"),
            "Lodz");
  EXPECT_EQ(DrawableText("e\xcc\x81t\xc3\xa9"), "ete");  // U+0301 combines
}

TEST(DrawableTextTest, OneMarkForEachOtherCodePoint) {
  EXPECT_EQ(DrawableText("\xe7\xba\xa2\xe7\xbb\x86"), "??");
  EXPECT_EQ(DrawableText("\xf0\x9f\x90\x88!"), "?!");
  EXPECT_EQ(DrawableText("\xc6\x80"), "?");  // U+0180
  EXPECT_EQ(DrawableText("\xc2\xb5m"), "?m");
  EXPECT_EQ(DrawableText("a\nb\x1b"), "a?b?");
  EXPECT_EQ(DrawableText("a\xc3"), "a?");  // cut off
}

TEST(DrawableNameTest, NumbersTheClassesWhoseNamesCannotBeRead) {
  EXPECT_EQ(DrawableName("\xe7\xba\xa2\xe7\xbb\x86", 7), "class 7");
  EXPECT_EQ(DrawableName("\xe7\xba\xa2 RBC", 7), "? RBC");
  EXPECT_EQ(DrawableName("caf\xc3\xa9", 7), "cafe");
  EXPECT_EQ(DrawableName("+", 7), "+");
  EXPECT_EQ(DrawableName("", 7), "");
}

TEST(TextWidthTest, GrowsWithTextAndHeight) {
  EXPECT_LT(TextWidth("cat", 20), TextWidth("cats", 20));
  EXPECT_LT(TextWidth("cat", 20), TextWidth("cat", 40));
  EXPECT_EQ(TextWidth("caf\xc3\xa9", 20), TextWidth("cafe", 20));
}

TEST(FitTextTest, KeepsTheBeginningAndTheEnd) {
  const std::string fitted = FitText("b" + std::string(500, 'n') + "3", 200, 20);
  EXPECT_LE(TextWidth(fitted, 20), 200);
  EXPECT_EQ(fitted.front(), 'b');
  EXPECT_EQ(fitted.back(), '3');
  const size_t middle = fitted.find("...");
  ASSERT_NE(middle, std::string::npos);
  // One more letter would not fit.
  EXPECT_GT(TextWidth(fitted.substr(0, middle) + "n" + fitted.substr(middle), 20), 200);
}

TEST(FitTextTest, KeepsWhatFits) {
  EXPECT_EQ(FitText("cat", TextWidth("cat", 20), 20), "cat");
  EXPECT_EQ(FitText("cat", 1, 20), "...");
  EXPECT_EQ(FitText("cat", -5, 20), "...");
  EXPECT_EQ(FitText("", 50, 20), "");
}

// Pixels of the channel that differ from black.
int CountDrawn(const cv::Mat& canvas) {
  cv::Mat channel;
  cv::extractChannel(canvas, channel, 0);
  return cv::countNonZero(channel);
}

TEST(LabelPlatesTest, PlatesOfOneBoxDoNotCoverEachOther) {
  cv::Mat canvas = cv::Mat::zeros(400, 400, CV_8UC3);
  LabelPlates plates(canvas, 12);
  const cv::Scalar blue(200, 100, 50);
  int last = 0;
  for (int i = 1; i <= 9; ++i) {
    plates.Draw({150, 150, 100, 100}, "cell", blue, blue);
    const int drawn = CountDrawn(canvas);
    const int one = (TextWidth("cell", 12) + 6) * 16;
    EXPECT_EQ(drawn - last, one) << i;
    last = drawn;
  }
}

TEST(LabelPlatesTest, ALabelIsAtMostTwoFifthsOfTheCanvasOrAsWideAsItsBox) {
  for (const auto& [box_width, most] : {std::pair(50, 160), std::pair(300, 300)}) {
    cv::Mat canvas = cv::Mat::zeros(100, 400, CV_8UC3);
    const cv::Scalar white(255, 255, 255);
    LabelPlates(canvas, 12).Draw({50, 40, box_width, 30}, std::string(300, 'n'), white, white);
    EXPECT_LE(CountDrawn(canvas), most * 16);
    EXPECT_GT(CountDrawn(canvas), most * 16 * 8 / 10);
  }
}

TEST(LabelPlatesTest, ANarrowCanvasHasLabelsOfItsWidth) {
  cv::Mat canvas = cv::Mat::zeros(800, 60, CV_8UC3);
  const cv::Scalar white(255, 255, 255);
  LabelPlates(canvas, 12).Draw({-20, 40, 10, 30}, std::string(300, 'n'), white, white);
  EXPECT_GT(CountDrawn(canvas), 60 * 16 * 8 / 10);
  EXPECT_LE(CountDrawn(canvas), 60 * 16);
}

}  // namespace
}  // namespace rcnn::data

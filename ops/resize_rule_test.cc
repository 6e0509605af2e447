#include "rcnn/ops/resize_rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "rcnn/ops/error_message.h"

namespace rcnn::ops {
namespace {

using ::testing::HasSubstr;

constexpr ResizeRule kDownTo800{800, 1333, SizeRounding::kDown};

void ExpectSize(const Resized& size, int64_t height, int64_t width) {
  EXPECT_EQ(size.height, height);
  EXPECT_EQ(size.width, width);
}

TEST(ResizeRuleTest, ShorterSideBecomes600) {
  ExpectSize(ResizedSize(375, 500, {}), 600, 800);
  ExpectSize(ResizedSize(500, 375, {}), 800, 600);
  EXPECT_DOUBLE_EQ(ResizedSize(375, 500, {}).scale, 1.6);
}

TEST(ResizeRuleTest, LongerSideIsAtMost1000) {
  const Resized size = ResizedSize(200, 500, {});
  ExpectSize(size, 400, 1000);
  EXPECT_DOUBLE_EQ(size.scale, 2);
}

// 600 / 333 * 555 is 1000 exactly; 600 / 1001 * 1669 is 1000.4, which rounds to 1000 and so passes.
TEST(ResizeRuleTest, TheLimitIsComparedAfterRounding) {
  EXPECT_DOUBLE_EQ(ResizedSize(333, 555, {}).scale, 600.0 / 333);
  EXPECT_DOUBLE_EQ(ResizedSize(1001, 1669, {}).scale, 600.0 / 1001);
  EXPECT_DOUBLE_EQ(ResizedSize(1001, 1670, {}).scale, 1000.0 / 1670);
}

TEST(ResizeRuleTest, HalvesGoToEven) {
  // Twice 600 px by scale 0.5: 625 * 0.5 = 312.5 and 627 * 0.5 = 313.5.
  const ResizeRule half{300, 1000};
  ExpectSize(ResizedSize(600, 625, half), 300, 312);
  ExpectSize(ResizedSize(600, 627, half), 300, 314);
}

// From torchvision 0.14.1's GeneralizedRCNNTransform(800, 1333, ...).resize of images of these
// sizes.
TEST(ResizeRuleTest, RoundingDownGivesTorchvisionsSizes) {
  ExpectSize(ResizedSize(480, 640, kDownTo800), 800, 1066);
  ExpectSize(ResizedSize(960, 1280, kDownTo800), 800, 1066);
  ExpectSize(ResizedSize(427, 640, kDownTo800), 799, 1199);
  ExpectSize(ResizedSize(640, 427, kDownTo800), 1199, 799);
  ExpectSize(ResizedSize(375, 500, kDownTo800), 799, 1066);
  ExpectSize(ResizedSize(200, 1000, kDownTo800), 266, 1333);
}

TEST(ResizeRuleTest, ScaleIsTheSameUpToRoundingForBothRules) {
  for (int64_t height = 1; height < 2000; height += 37) {
    for (int64_t width = 1; width < 2000; width += 41) {
      const Resized even = ResizedSize(height, width, {});
      const Resized down = ResizedSize(height, width, {600, 1000, SizeRounding::kDown});
      // The even rule lets the longer side reach 1000.5.
      EXPECT_NEAR(even.scale / down.scale, 1, 1e-3) << height << " x " << width;
      EXPECT_LE(std::max(even.height, even.width), 1000);
      EXPECT_NEAR(even.height, static_cast<double>(height) * even.scale, 0.5 + 1e-9);
    }
  }
}

TEST(ResizeRuleTest, SidesAreAtLeastOne) {
  ExpectSize(ResizedSize(1, 100000, {}), 1, 1000);
  ExpectSize(ResizedSize(1, 100000, kDownTo800), 1, 1332);
}

TEST(ResizeRuleTest, ErrorsNameTheArgument) {
  EXPECT_THAT(ErrorMessage([] { ResizedSize(0, 5, {}); }),
              HasSubstr("height, width: expected positive"));
  EXPECT_THAT(ErrorMessage([] { ResizedSize(5, -1, {}); }), HasSubstr("got 5, -1"));
  EXPECT_THAT(ErrorMessage([] { ResizedSize(5, 5, {0, 10}); }), HasSubstr("shorter_side_px"));
  EXPECT_THAT(ErrorMessage([] { ResizedSize(5, 5, {NAN, 10}); }), HasSubstr("shorter_side_px"));
  EXPECT_THAT(ErrorMessage([] { ResizedSize(1, 1, {1e12, 1e13}); }), HasSubstr("beyond 2^30"));
}

}  // namespace
}  // namespace rcnn::ops

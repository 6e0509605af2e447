#include "rcnn/data/image/orientation.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn::data {
namespace {

using ::testing::ElementsAre;

std::vector<Orientation> All() {
  std::vector<Orientation> all;
  for (int value = 1; value <= 8; ++value) all.push_back(static_cast<Orientation>(value));
  return all;
}

// Pixel (x, y) is (x, y, 7).
Image Numbered(int64_t height, int64_t width) {
  Image image(height, width);
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      image.row(y)[3 * x] = static_cast<uint8_t>(x);
      image.row(y)[3 * x + 1] = static_cast<uint8_t>(y);
      image.row(y)[3 * x + 2] = 7;
    }
  }
  return image;
}

// The header's table, column by column.
std::array<int64_t, 2> SeenAt(Orientation orientation, int64_t x, int64_t y, int64_t width,
                              int64_t height) {
  switch (static_cast<int>(orientation)) {
    case 2:
      return {width - 1 - x, y};
    case 3:
      return {width - 1 - x, height - 1 - y};
    case 4:
      return {x, height - 1 - y};
    case 5:
      return {y, x};
    case 6:
      return {height - 1 - y, x};
    case 7:
      return {height - 1 - y, width - 1 - x};
    case 8:
      return {y, width - 1 - x};
    default:
      return {x, y};
  }
}

TEST(Orientation, MovesEveryPixelAsInTheStandard) {
  for (const Orientation orientation : All()) {
    const Image view = TurnImage(Numbered(3, 5), orientation);
    ASSERT_EQ(view.width(), SwapsSides(orientation) ? 3 : 5);
    ASSERT_EQ(view.height(), SwapsSides(orientation) ? 5 : 3);
    for (int64_t y = 0; y < 3; ++y) {
      for (int64_t x = 0; x < 5; ++x) {
        const auto [view_x, view_y] = SeenAt(orientation, x, y, 5, 3);
        const uint8_t* pixel = view.row(view_y) + 3 * view_x;
        EXPECT_THAT((std::vector<int>{pixel[0], pixel[1], pixel[2]}), ElementsAre(x, y, 7))
            << Name(orientation);
      }
    }
  }
}

// The Exif standard says which side of the stored image the 0th row and the 0th column
// of the view are: 6 is "right, top", 8 is "left, bottom".
TEST(Orientation, QuarterTurnsHaveTheRightDirection) {
  const Image clockwise = TurnImage(Numbered(3, 5), Orientation::kQuarterTurnClockwise);
  // The stored row 0 is the view's right column, from top to bottom.
  EXPECT_EQ(clockwise.row(0)[3 * 2 + 0], 0);
  EXPECT_EQ(clockwise.row(4)[3 * 2 + 0], 4);
  EXPECT_EQ(clockwise.row(4)[3 * 2 + 1], 0);
  const Image counter = TurnImage(Numbered(3, 5), Orientation::kQuarterTurnCounterclockwise);
  // It is the view's left column, from bottom to top.
  EXPECT_EQ(counter.row(4)[0], 0);
  EXPECT_EQ(counter.row(0)[0], 4);
  EXPECT_EQ(counter.row(0)[1], 0);
}

TEST(Orientation, InverseRestoresTheImage) {
  for (const Orientation orientation : All()) {
    const Image back = TurnImage(TurnImage(Numbered(4, 7), orientation), Inverse(orientation));
    const Image original = Numbered(4, 7);
    ASSERT_EQ(back.width(), 7);
    EXPECT_TRUE(std::equal(back.data(), back.data() + back.size_bytes(), original.data()))
        << Name(orientation);
  }
}

TEST(Orientation, KeepsAnImageWithoutPixels) {
  EXPECT_EQ(TurnImage(Image(), Orientation::kTransposed).size_bytes(), 0);
}

// A box of whole pixels covers, in the view, exactly where its pixels are seen.
TEST(Orientation, BoxesFollowTheirPixels) {
  for (const Orientation orientation : All()) {
    const auto [x, y, width, height] = TurnBox({1, 0, 3, 2}, orientation, 5, 3);
    const auto first = SeenAt(orientation, 1, 0, 5, 3);
    const auto last = SeenAt(orientation, 3, 1, 5, 3);
    EXPECT_EQ(x, static_cast<double>(std::min(first[0], last[0]))) << Name(orientation);
    EXPECT_EQ(y, static_cast<double>(std::min(first[1], last[1]))) << Name(orientation);
    EXPECT_EQ(x + width, static_cast<double>(std::max(first[0], last[0]) + 1));
    EXPECT_EQ(y + height, static_cast<double>(std::max(first[1], last[1]) + 1));
  }
}

TEST(Orientation, InverseRestoresTheBox) {
  const std::array<double, 4> box = {1.5, 0.25, 2.5, 2};
  for (const Orientation orientation : All()) {
    const bool swaps = SwapsSides(orientation);
    const std::array<double, 4> seen = TurnBox(box, orientation, 5, 3);
    EXPECT_EQ(TurnBox(seen, Inverse(orientation), swaps ? 3 : 5, swaps ? 5 : 3), box)
        << Name(orientation);
  }
}

}  // namespace
}  // namespace rcnn::data

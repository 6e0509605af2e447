#include "rcnn/data/image/image.h"

#include <utility>

#include "gtest/gtest.h"

namespace rcnn::data {
namespace {

TEST(Image, StartsWithoutPixels) {
  Image image;
  EXPECT_EQ(image.height(), 0);
  EXPECT_EQ(image.width(), 0);
  EXPECT_EQ(image.size_bytes(), 0);
}

TEST(Image, RowsFollowEachOtherWithoutGaps) {
  Image image(4, 5);
  EXPECT_EQ(image.size_bytes(), 60);
  EXPECT_EQ(image.row(1) - image.data(), 15);
  EXPECT_EQ(image.row(3) - image.row(2), 15);
}

TEST(Image, CloneHasItsOwnPixels) {
  Image image(1, 1);
  image.data()[2] = 7;
  Image copy = image.Clone();
  image.data()[2] = 8;
  EXPECT_EQ(copy.data()[2], 7);
}

TEST(Image, MovesItsPixels) {
  Image image(2, 2);
  const uint8_t* pixels = image.data();
  Image moved = std::move(image);
  EXPECT_EQ(moved.data(), pixels);
  EXPECT_EQ(moved.width(), 2);
}

}  // namespace
}  // namespace rcnn::data

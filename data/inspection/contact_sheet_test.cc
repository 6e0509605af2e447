#include "rcnn/data/inspection/contact_sheet.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/image/image.h"

namespace rcnn::data {
namespace {

// A black image of 40 x 20 with one object of class 1 at x, y, w, h.
Sample BlackImage(std::array<double, 4> xywh) {
  Image image(20, 40);
  std::fill_n(image.data(), image.size_bytes(), uint8_t{0});
  Sample sample;
  sample.image = std::make_shared<const Image>(std::move(image));
  Object object;
  object.label = 1;
  object.xywh = xywh;
  sample.objects = {object};
  return sample;
}

const ClassList& Cells() {
  static const ClassList& classes = *new ClassList{{"cell"}, {1}};
  return classes;
}

TEST(ContactSheet, LaysImagesOutInRows) {
  std::vector<Sample> samples;
  for (int i = 0; i < 5; ++i) samples.push_back(BlackImage({10, 5, 20, 10}));
  const Image sheet = ContactSheet(samples, Cells(), {.columns = 2, .tile_px = 80});
  EXPECT_EQ(sheet.width(), 2 * 86);
  EXPECT_EQ(sheet.height(), 3 * (40 + 16 + 6));
  // The sixth place is white.
  EXPECT_EQ(sheet.row(2 * 62 + 10)[3 * (86 + 10)], 255);
}

TEST(ContactSheet, DrawsBoxesInTheImagesScale) {
  const Image sheet =
      ContactSheet({BlackImage({10, 5, 20, 10})}, Cells(), {.columns = 1, .tile_px = 80});
  // Twice the size: the right edge of the box is at x = 59, its middle is black.
  EXPECT_EQ(sheet.row(20)[3 * 59], 230);
  EXPECT_EQ(sheet.row(20)[3 * 40], 0);
  EXPECT_EQ(sheet.row(20)[3 * 70], 0);
}

TEST(ContactSheet, DrawsBoxesAtAndBeyondTheEdge) {
  const Image sheet = ContactSheet({BlackImage({-50, -50, 200, 200}), BlackImage({39, 19, 1, 1})},
                                   Cells(), {.columns = 2, .tile_px = 30});
  EXPECT_EQ(sheet.width(), 72);
}

TEST(ContactSheet, NoSamplesGiveAWhiteLine) {
  const Image sheet = ContactSheet({}, Cells());
  EXPECT_EQ(sheet.height(), 1);
  EXPECT_EQ(sheet.row(0)[0], 255);
}

}  // namespace
}  // namespace rcnn::data

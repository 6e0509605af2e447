#include "rcnn/detection/convolution/part_tile.h"

#include <vector>

#include "gtest/gtest.h"

namespace rcnn::detection {
namespace {

// A tile of 7 plus what is added.
void Multiply(const TileOptions& options, float* tile, int64_t stride) {
  for (int64_t r = 0; r < kMaxPanelRows; ++r) {
    for (int64_t c = 0; c < kPanelColumns; ++c) {
      const float add = options.add == nullptr ? 0 : options.add[r * options.add_stride + c];
      tile[r * stride + c] = 7 + add;
    }
  }
}

TEST(MultiplyPartTileTest, WritesOnlyTheInnerPart) {
  std::vector<float> out(4 * 9, -1);
  MultiplyPartTile(3, 5, {}, out.data(), 9, Multiply);
  for (int64_t i = 0; i < 4 * 9; ++i) EXPECT_EQ(out[i], i / 9 < 3 && i % 9 < 5 ? 7 : -1) << i;
}

TEST(MultiplyPartTileTest, ReadsOnlyTheInnerPartOfTheAddend) {
  const std::vector<float> add = {1, 2, 3, 4, 5};  // [2, 2], rows three apart
  TileOptions options;
  options.add = add.data();
  options.add_stride = 3;
  std::vector<float> out(4);
  MultiplyPartTile(2, 2, options, out.data(), 2, Multiply);
  EXPECT_EQ(out, (std::vector<float>{8, 9, 11, 12}));
}

TEST(MultiplyPartTileTest, ReadsOnlyTheInnerPartOfTheMask) {
  const std::vector<float> mask = {1, 2, 3, 4, 5};  // [2, 2], rows three apart
  TileOptions options;
  options.mask = mask.data();
  options.mask_stride = 3;
  std::vector<float> out(4);
  MultiplyPartTile(2, 2, options, out.data(), 2,
                   [](const TileOptions& whole, float* tile, int64_t stride) {
                     for (int64_t i = 0; i < kMaxPanelRows * kPanelColumns; ++i) {
                       const int64_t r = i / kPanelColumns, c = i % kPanelColumns;
                       tile[r * stride + c] = whole.mask[r * whole.mask_stride + c];
                     }
                   });
  EXPECT_EQ(out, (std::vector<float>{1, 2, 4, 5}));
}

// One row of addends for every row.
TEST(MultiplyPartTileTest, AddsOneRowToAll) {
  const std::vector<float> add = {1, 2};
  TileOptions options;
  options.add = add.data();
  std::vector<float> out(4);
  MultiplyPartTile(2, 2, options, out.data(), 2, Multiply);
  EXPECT_EQ(out, (std::vector<float>{8, 9, 8, 9}));
}

}  // namespace
}  // namespace rcnn::detection

#include "rcnn/detection/convolution/tile_grid.h"

#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/detection/convolution/panel_product.h"

namespace rcnn::detection {
namespace {

TEST(TileGridTest, SegmentsAreTheTilesInOrder) {
  const TileGrid grid(2, 5, 9);
  EXPECT_EQ(grid.rows, 2);
  EXPECT_EQ(grid.columns, 3);
  EXPECT_EQ(grid.total, 12);
  for (const int64_t begin : {0, 1, 5}) {
    int64_t tile = begin;
    for (const TileSegment& segment : grid.Segments(begin, 11)) {
      EXPECT_EQ(segment.offset, tile - begin);
      EXPECT_EQ((segment.image * grid.rows + segment.row) * grid.columns + segment.column, tile);
      EXPECT_LE(segment.column + segment.count, grid.columns);
      tile += segment.count;
    }
    EXPECT_EQ(tile, 11);
  }
  EXPECT_TRUE(grid.Segments(3, 3).empty());
}

// Of two maps of 2 x 3 tiles: neighbours in a row, at its end, and in the next map.
TEST(TileGridTest, SegmentsAreTheChosenTiles) {
  const auto chosen =
      std::make_shared<const std::vector<int64_t>>(std::vector<int64_t>{0, 1, 2, 3, 5, 6, 10, 11});
  const TileGrid grid(2, 5, 9, chosen);
  EXPECT_EQ(grid.total, 8);
  std::vector<int64_t> tiles, counts;
  for (const TileSegment& segment : grid.Segments(1, 8)) {
    EXPECT_EQ(segment.offset, static_cast<int64_t>(tiles.size()));
    counts.push_back(segment.count);
    for (int64_t i = 0; i < segment.count; ++i) {
      tiles.push_back((segment.image * grid.rows + segment.row) * grid.columns + segment.column +
                      i);
    }
  }
  EXPECT_EQ(tiles, std::vector<int64_t>(chosen->begin() + 1, chosen->end()));
  EXPECT_EQ(counts, (std::vector<int64_t>{2, 1, 1, 1, 2}));
}

TEST(TileJobTest, OfMapsIsAllTiles) {
  const float x = 0;
  float y = 0;
  const TileJob job = JobOfMaps(&x, 2, 5, 9, &y);
  EXPECT_EQ(job.x, &x);
  EXPECT_EQ(job.y, &y);
  EXPECT_EQ(job.begin, 0);
  EXPECT_EQ(job.end, 2 * 2 * 3);
  EXPECT_EQ(job.grid.total, job.end);
  EXPECT_EQ(job.grid.input_rows.count, 5);
}

// Of five rows of tiles, the last of which has three rows of pixels.
TEST(TileJobTest, OfRowsIsTheirTiles) {
  const auto job = [](int64_t begin, int64_t end) {
    return JobOfRows(nullptr, 19, 9,
                     {{begin - 1, end - begin + 2}, {begin, end - begin}, begin, end}, nullptr);
  };
  EXPECT_EQ(job(4, 12).begin, 3);
  EXPECT_EQ(job(4, 12).end, 9);
  EXPECT_EQ(job(16, 19).begin, 12);
  EXPECT_EQ(job(16, 19).end, 15);
  EXPECT_EQ(job(8, 8).begin, job(8, 8).end);
  EXPECT_EQ(job(4, 12).grid.input_rows.first, 3);
  EXPECT_EQ(job(4, 12).grid.input_rows.count, 10);
  EXPECT_EQ(job(4, 12).grid.output_rows.first, 4);
  EXPECT_EQ(job(4, 12).grid.output_rows.count, 8);
}

TEST(TileCutterTest, CutsAChannelWithZerosAroundIt) {
  if (!PanelProductAvailable()) GTEST_SKIP() << "this processor has no AVX2 and FMA";
  constexpr int64_t kChannels = 3, kChannel = 1;
  const TileGrid grid(2, 5, 9);
  std::vector<float> maps(2 * kChannels * 5 * 9);
  for (size_t i = 0; i < maps.size(); ++i) maps[i] = static_cast<float>(i + 1);
  TileCutter cutter(16);
  for (const int64_t halo : {0, 1}) {
    cutter.Cut(maps.data(), kChannels, kChannel, grid, grid.Segments(0, grid.total), halo);
    for (int64_t i = 0; i < 36 * grid.total; ++i) {
      const int64_t point = i / grid.total, tile = i % grid.total;
      const int64_t image = tile / (grid.rows * grid.columns);
      const int64_t y = tile / grid.columns % grid.rows * 4 - halo + point / 6;
      const int64_t x = tile % grid.columns * 4 - halo + point % 6;
      const bool inside = y >= 0 && y < 5 && x >= 0 && x < 9;
      const float expected = inside ? maps[((image * kChannels + kChannel) * 5 + y) * 9 + x] : 0.0f;
      // The two last rows and columns are of tiles with a halo only.
      if (halo == 0 && (point / 6 > 3 || point % 6 > 3)) continue;
      EXPECT_EQ(cutter.tiles()[point * cutter.stride() + tile], expected) << halo << " " << i;
    }
  }
}

// Rows 3 to 8 of maps of nine rows are enough for the second row of tiles.
TEST(TileCutterTest, CutsTheSameFromSomeRows) {
  if (!PanelProductAvailable()) GTEST_SKIP() << "this processor has no AVX2 and FMA";
  constexpr int64_t kChannels = 2, kChannel = 1, kHeight = 9, kWidth = 10, kFirst = 3, kCount = 6;
  std::vector<float> maps(kChannels * kHeight * kWidth), some;
  for (size_t i = 0; i < maps.size(); ++i) maps[i] = static_cast<float>(i + 1);
  for (int64_t c = 0; c < kChannels; ++c) {
    const float* row = maps.data() + (c * kHeight + kFirst) * kWidth;
    some.insert(some.end(), row, row + kCount * kWidth);
  }
  const TileGrid whole(1, kHeight, kWidth);
  TileGrid stored = whole;
  stored.input_rows = {kFirst, kCount};
  TileCutter expected(16), cutter(16);
  const auto segments = whole.Segments(whole.columns, 2 * whole.columns);
  expected.Cut(maps.data(), kChannels, kChannel, whole, segments, /*halo=*/1);
  cutter.Cut(some.data(), kChannels, kChannel, stored, segments, /*halo=*/1);
  for (int64_t i = 0; i < 36 * cutter.stride(); ++i) {
    EXPECT_EQ(cutter.tiles()[i], expected.tiles()[i]) << i;
  }
}

TEST(WriteTilesTest, WritesSomeRows) {
  constexpr int64_t kHeight = 9, kWidth = 10, kFirst = 4, kCount = 5;
  const TileGrid whole(1, kHeight, kWidth);
  TileGrid stored = whole;
  stored.output_rows = {kFirst, kCount};
  std::vector<float> outputs(4 * 4 * 16);
  for (size_t i = 0; i < outputs.size(); ++i) outputs[i] = static_cast<float>(i + 1);
  std::vector<float> maps(kHeight * kWidth), some(kCount * kWidth);
  const auto segments = whole.Segments(whole.columns, whole.total);
  WriteTiles(outputs.data(), 64, 1, 0, whole, segments, maps.data());
  WriteTiles(outputs.data(), 64, 1, 0, stored, segments, some.data());
  EXPECT_EQ(some, std::vector<float>(maps.begin() + kFirst * kWidth, maps.end()));
}

}  // namespace
}  // namespace rcnn::detection

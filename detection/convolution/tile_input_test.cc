#include "rcnn/detection/convolution/tile_input.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/testing/instruction_levels.h"

namespace rcnn::detection {
namespace {

constexpr int64_t kStride = 24, kMaxTiles = 64;

std::vector<float> Random(int64_t count) {
  std::mt19937 generator(5);
  std::normal_distribution<float> normal;
  std::vector<float> numbers(count);
  for (float& number : numbers) number = normal(generator);
  return numbers;
}

class TileInputTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, TileInputTest, LevelsFrom(InstructionLevel::kAvx2), LevelName);

// The transforms of cut tiles, for maps whose rows of tiles end inside a group, narrow maps, and
// blocks that begin within a row and have tiles of several images.
TEST_P(TileInputTest, IsTheTransformOfCutTiles) {
  const WinogradKernels& kernels = *GetWinogradKernels(GetParam());
  constexpr int64_t kBatch = 3, kChannels = 2;
  for (const auto& [height, width] : {std::pair(9, 21), std::pair(6, 70), std::pair(1, 1),
                                      std::pair(13, 2), std::pair(4, 300), std::pair(17, 64)}) {
    const TileGrid grid(kBatch, height, width);
    const std::vector<float> maps = Random(kBatch * kChannels * height * width);
    TileInput input(kernels, kMaxTiles);
    TileCutter cutter(kMaxTiles);
    for (int64_t begin = 0; begin < grid.total; begin += 48) {
      const int64_t count = std::min<int64_t>(48, grid.total - begin);
      const std::vector<TileSegment> segments = grid.Segments(begin, begin + count);
      input.SetTiles(grid, segments);
      for (int64_t channel = 0; channel < kChannels; ++channel) {
        input.SetChannel(maps.data(), kChannels, channel);
        cutter.Cut(maps.data(), kChannels, channel, grid, segments, /*halo=*/1);
        for (int64_t group = 0; group < kMaxTiles / kTileGroup; ++group) {
          std::vector<float> transformed(kTilePoints * kStride, 7), expected = transformed;
          input.Transform(group, transformed.data(), kStride);
          kernels.transform_input(cutter.tiles() + group * kTileGroup, cutter.stride(),
                                  expected.data(), kStride);
          for (int64_t i = 0; i < kTilePoints * kStride; ++i) {
            const int64_t lane = i % kStride, tile = group * kTileGroup + lane;
            EXPECT_TRUE(std::isfinite(transformed[i]));
            if (lane < kTileGroup && tile >= count) continue;
            EXPECT_EQ(transformed[i], expected[i]) << width << " " << begin << " " << i;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace rcnn::detection

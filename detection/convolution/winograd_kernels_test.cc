#include "rcnn/detection/convolution/winograd_kernels.h"

#include <cmath>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/testing/instruction_levels.h"

namespace rcnn::detection {
namespace {

class WinogradKernelsTest : public InstructionLevelTest {
 protected:
  float Draw() { return normal_(generator_); }

  std::mt19937 generator_{4};
  std::normal_distribution<float> normal_;
};

INSTANTIATE_TEST_SUITE_P(Levels, WinogradKernelsTest, LevelsFrom(InstructionLevel::kAvx2),
                         LevelName);

// The identity that the method rests on, for eight tiles of one channel.
TEST_P(WinogradKernelsTest, TransformsTurnACorrelationIntoProducts) {
  constexpr int64_t kRow = kTileOut * kTileLanes;
  std::vector<float> tiles(kTilePoints * kTileLanes), transformed(tiles.size()), rows(4 * kRow);
  for (float& value : tiles) value = Draw();
  float kernel[9];
  for (float& value : kernel) value = Draw();
  float weights[kTilePoints];
  TransformKernels(kernel, 1, weights, 1);
  TransformInputTiles(tiles.data(), kTileLanes, transformed.data(), kTileLanes);
  for (int64_t t = 0; t < kTilePoints; ++t) {
    for (int64_t p = 0; p < kTileLanes; ++p) {
      transformed[t * kTileLanes + p] *= weights[t];
    }
  }
  TransformOutputTiles(transformed.data(), kTileLanes, 0.25f, false, rows.data(), kRow);
  for (int64_t p = 0; p < kTileLanes; ++p) {
    for (int64_t i = 0; i < kTileOut; ++i) {
      for (int64_t j = 0; j < kTileOut; ++j) {
        double sum = 0.25;
        for (int64_t u = 0; u < 9; ++u) {
          const int64_t at = kTileIn * (i + u / 3) + j + u % 3;
          sum += static_cast<double>(kernel[u]) * tiles[at * kTileLanes + p];
        }
        EXPECT_NEAR(rows[i * kRow + kTileOut * p + j], sum, 2e-5) << p << ": " << i << ", " << j;
      }
    }
  }
}

double Dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

// A gradient goes through the transpose of a transform: <y', T m> = <T^t y', m>.
TEST_P(WinogradKernelsTest, OutputGradientIsTheTransposeOfOutput) {
  std::vector<float> sums(kTilePoints * kTileLanes), rows(4 * 32);
  std::vector<float> dy(kTilePoints * kTileLanes), dm(sums.size()), dy_rows(4 * 32);
  for (float& value : sums) value = Draw();
  for (float& value : dy) value = Draw();
  TransformOutputTiles(sums.data(), kTileLanes, 0, false, rows.data(), 32);
  TransformOutputGradientTiles(dy.data(), kTileLanes, dm.data(), kTileLanes);
  for (int64_t i = 0; i < kTileOut; ++i) {
    for (int64_t q = 0; q < kTileOut; ++q) {
      for (int64_t p = 0; p < kTileLanes; ++p) {
        dy_rows[i * 32 + kTileOut * p + q] = dy[(kTileIn * i + q) * kTileLanes + p];
      }
    }
  }
  EXPECT_NEAR(Dot(dy_rows, rows), Dot(dm, sums), 1e-3);
}

TEST_P(WinogradKernelsTest, KernelGradientIsTheTransposeOfKernels) {
  std::vector<float> kernels(9 * kTileLanes), transformed(kTilePoints * kTileLanes);
  std::vector<float> sums(transformed.size()), gradients(kernels.size());
  for (float& value : kernels) value = Draw();
  for (float& value : sums) value = Draw();
  TransformKernels(kernels.data(), kTileLanes, transformed.data(), kTileLanes);
  TransformKernelGradients(sums.data(), kTileLanes, gradients.data());
  EXPECT_NEAR(Dot(sums, transformed), Dot(gradients, kernels), 1e-4);
}

TEST_P(WinogradKernelsTest, OutputPassesThroughRelu) {
  std::vector<float> sums(kTilePoints * kTileLanes), plain(4 * 32), cut(4 * 32);
  for (float& value : sums) value = Draw();
  TransformOutputTiles(sums.data(), kTileLanes, 0.1f, false, plain.data(), 32);
  TransformOutputTiles(sums.data(), kTileLanes, 0.1f, true, cut.data(), 32);
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_EQ(cut[i], std::max(plain[i], 0.0f));
}

TEST_P(WinogradKernelsTest, InterleavesChannels) {
  std::vector<float> channels(8 * 24), pixels(13 * 9, -1.0f);
  for (float& value : channels) value = Draw();
  InterleaveChannels(channels.data(), 24, 13, pixels.data(), 9);
  for (int64_t i = 0; i < 13 * 9; ++i) {
    EXPECT_EQ(pixels[i], i % 9 == 8 ? -1.0f : channels[i % 9 * 24 + i / 9]);
  }
}

TEST_P(WinogradKernelsTest, CutsEveryTile) {
  for (const int64_t count : {1, 8, 13}) {
    std::vector<float> row(4 * (count + 2 * kTileLanes));
    for (size_t x = 0; x < row.size(); ++x) row[x] = static_cast<float>(x);
    const int64_t stride = count + kTileLanes;
    std::vector<float> columns(kTileIn * stride);
    CutIntoTiles(row.data(), count, columns.data(), stride);
    for (int64_t p = 0; p < count; ++p) {
      for (int64_t q = 0; q < kTileIn; ++q) EXPECT_EQ(columns[q * stride + p], 4 * p + q);
    }
  }
}

}  // namespace
}  // namespace rcnn::detection

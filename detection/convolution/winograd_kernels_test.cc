#include "rcnn/detection/convolution/winograd_kernels.h"

#include <algorithm>
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
  std::vector<float> Draw(int64_t count) {
    std::vector<float> numbers(count);
    for (float& number : numbers) number = Draw();
    return numbers;
  }

  const WinogradKernels& kernels() const { return *GetWinogradKernels(GetParam()); }
  const WinogradGradientKernels& gradients() const {
    return *GetWinogradGradientKernels(GetParam());
  }

  std::mt19937 generator_{4};
  std::normal_distribution<float> normal_;
};

INSTANTIATE_TEST_SUITE_P(Levels, WinogradKernelsTest, LevelsFrom(InstructionLevel::kAvx2),
                         LevelName);

// The identity that the method rests on, for sixteen tiles of one channel.
TEST_P(WinogradKernelsTest, TransformsTurnACorrelationIntoProducts) {
  constexpr int64_t kRow = kTileOut * kTileGroup;
  const std::vector<float> tiles = Draw(kTilePoints * kTileGroup), kernel = Draw(9);
  std::vector<float> transformed(tiles.size()), rows(4 * kRow), weights(kTilePoints);
  TransformKernels(kernel.data(), 1, weights.data(), 1);
  kernels().transform_input(tiles.data(), kTileGroup, transformed.data(), kTileGroup);
  for (size_t i = 0; i < transformed.size(); ++i) transformed[i] *= weights[i / kTileGroup];
  kernels().transform_output(transformed.data(), kTileGroup, 0.25f, false, rows.data(), kRow);
  for (int64_t p = 0; p < kTileGroup; ++p) {
    for (int64_t i = 0; i < kTileOut; ++i) {
      for (int64_t j = 0; j < kTileOut; ++j) {
        double sum = 0.25;
        for (int64_t u = 0; u < 9; ++u) {
          const int64_t at = kTileIn * (i + u / 3) + j + u % 3;
          sum += static_cast<double>(kernel[u]) * tiles[at * kTileGroup + p];
        }
        EXPECT_NEAR(rows[i * kRow + kTileOut * p + j], sum, 2e-5) << p << ": " << i << ", " << j;
      }
    }
  }
}

TEST_P(WinogradKernelsTest, HasTheBitsOfEveryOtherLevel) {
  constexpr int64_t kStride = 24, kRow = kTileOut * kTileGroup;
  const std::vector<float> tiles = Draw(kTilePoints * kStride);
  std::vector<float> transformed(kTilePoints * kTileGroup), expected(transformed.size());
  std::vector<float> rows(4 * kRow), expected_rows(rows.size());
  const WinogradKernels& avx2 = *GetWinogradKernels(InstructionLevel::kAvx2);
  kernels().transform_input(tiles.data(), kStride, transformed.data(), kTileGroup);
  avx2.transform_input(tiles.data(), kStride, expected.data(), kTileGroup);
  EXPECT_EQ(transformed, expected);
  kernels().transform_output(tiles.data(), kStride, 0.5f, true, rows.data(), kRow);
  avx2.transform_output(tiles.data(), kStride, 0.5f, true, expected_rows.data(), kRow);
  EXPECT_EQ(rows, expected_rows);
}

// Counts around that of the kernels that are transformed together.
TEST_P(WinogradKernelsTest, TransformsKernelsWhoseElementsLieApart) {
  for (const int64_t count : {1, 31, 32, 33, 100}) {
    const std::vector<float> kernels = Draw(9 * count);
    const int64_t apart = count + 3, stride = count + 5;
    std::vector<float> elements(9 * apart), expected(kTilePoints * stride, -1.0f);
    for (int64_t i = 0; i < 9 * count; ++i) elements[i % 9 * apart + i / 9] = kernels[i];
    std::vector<float> transformed = expected;
    TransformKernels(kernels.data(), count, expected.data(), stride);
    TransformKernelElements(elements.data(), apart, count, transformed.data(), stride);
    EXPECT_EQ(transformed, expected) << count;
  }
}

double Dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

// A gradient goes through the transpose of a transform: <y', T m> = <T^t y', m>.
TEST_P(WinogradKernelsTest, OutputGradientIsTheTransposeOfOutput) {
  constexpr int64_t kRow = kTileOut * kTileGroup;
  const std::vector<float> sums = Draw(kTilePoints * kTileGroup), dy = Draw(sums.size());
  std::vector<float> rows(4 * kRow), dm(sums.size()), dy_rows(rows.size());
  kernels().transform_output(sums.data(), kTileGroup, 0, false, rows.data(), kRow);
  gradients().transform_output(dy.data(), kTileGroup, dm.data(), kTileGroup);
  for (int64_t i = 0; i < kTileOut; ++i) {
    for (int64_t q = 0; q < kTileOut; ++q) {
      for (int64_t p = 0; p < kTileGroup; ++p) {
        dy_rows[i * kRow + kTileOut * p + q] = dy[(kTileIn * i + q) * kTileGroup + p];
      }
    }
  }
  EXPECT_NEAR(Dot(dy_rows, rows), Dot(dm, sums), 2e-3);
}

TEST_P(WinogradKernelsTest, KernelGradientIsTheTransposeOfKernels) {
  const int64_t lanes = gradients().lanes;
  const std::vector<float> kernels = Draw(9 * lanes), sums = Draw(kTilePoints * lanes);
  std::vector<float> transformed(sums.size()), gradient(kernels.size());
  TransformKernels(kernels.data(), lanes, transformed.data(), lanes);
  gradients().transform_kernels(sums.data(), lanes, gradient.data());
  EXPECT_NEAR(Dot(sums, transformed), Dot(gradient, kernels), 1e-4);
}

TEST_P(WinogradKernelsTest, OutputPassesThroughRelu) {
  constexpr int64_t kRow = kTileOut * kTileGroup;
  std::vector<float> sums = Draw(kTilePoints * kTileGroup), plain(4 * kRow), cut(plain.size());
  kernels().transform_output(sums.data(), kTileGroup, 0.1f, false, plain.data(), kRow);
  kernels().transform_output(sums.data(), kTileGroup, 0.1f, true, cut.data(), kRow);
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_EQ(cut[i], std::max(plain[i], 0.0f));
  sums[0] = std::nanf("");
  kernels().transform_output(sums.data(), kTileGroup, 0.1f, true, cut.data(), kRow);
  EXPECT_TRUE(std::isnan(cut[0]));
}

TEST_P(WinogradKernelsTest, InterleavesChannels) {
  const int64_t lanes = gradients().lanes, stride = lanes + 1;
  for (const int64_t count : {1, 13, 16, 27}) {
    const std::vector<float> channels = Draw(lanes * 40);
    std::vector<float> pixels(count * stride, -1.0f);
    gradients().interleave(channels.data(), 40, count, pixels.data(), stride);
    for (int64_t i = 0; i < count * stride; ++i) {
      const int64_t c = i % stride;
      EXPECT_EQ(pixels[i], c == lanes ? -1.0f : channels[c * 40 + i / stride]) << count;
    }
  }
}

TEST_P(WinogradKernelsTest, GradientsHaveTheBitsOfEveryOtherLevel) {
  const WinogradGradientKernels& avx2 = *GetWinogradGradientKernels(InstructionLevel::kAvx2);
  const std::vector<float> tiles = Draw(kTilePoints * kTileGroup);
  std::vector<float> transformed(tiles.size()), expected(tiles.size());
  gradients().transform_output(tiles.data(), kTileGroup, transformed.data(), kTileGroup);
  avx2.transform_output(tiles.data(), kTileGroup, expected.data(), kTileGroup);
  EXPECT_EQ(transformed, expected);
  const auto of_kernels = [&](const WinogradGradientKernels& kernels) {
    std::vector<float> all(9 * kTileGroup);
    for (int64_t k = 0; k < kTileGroup; k += kernels.lanes) {
      kernels.transform_kernels(tiles.data() + k, kTileGroup, all.data() + 9 * k);
    }
    return all;
  };
  EXPECT_EQ(of_kernels(gradients()), of_kernels(avx2));
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

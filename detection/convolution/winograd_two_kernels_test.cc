#include "rcnn/detection/convolution/winograd_two_kernels.h"

#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/detection/convolution/winograd_kernels.h"

namespace rcnn::detection {
namespace {

class WinogradTwoKernelsTest : public InstructionLevelTest {
 protected:
  std::vector<float> Draw(int64_t count) {
    std::vector<float> numbers(count);
    for (float& number : numbers) number = normal_(generator_);
    return numbers;
  }

  std::mt19937 generator_{4};
  std::normal_distribution<float> normal_;
};

INSTANTIATE_TEST_SUITE_P(Levels, WinogradTwoKernelsTest, LevelsFrom(InstructionLevel::kAvx2),
                         LevelName);

TEST_P(WinogradTwoKernelsTest, TransformsTurnACorrelationIntoProducts) {
  constexpr int64_t kRow = kTileOut * kTileGroup;
  const std::vector<float> blocks = Draw(kTilePoints * kTileGroup), kernel = Draw(9);
  std::vector<float> transformed(kTwoTiles * kTwoPoints * kTileGroup), rows(4 * kRow);
  std::vector<float> weights(kTwoPoints);
  TransformKernelsTwo(kernel.data(), 1, weights.data(), 1);
  TransformInputBlocksTwo(blocks.data(), kTileGroup, transformed.data(), kTileGroup);
  for (size_t i = 0; i < transformed.size(); ++i) {
    transformed[i] *= weights[i / kTileGroup % kTwoPoints];
  }
  for (const bool relu : {false, true}) {
    TransformOutputBlocksTwo(transformed.data(), kTileGroup, 0.25f, relu, rows.data(), kRow);
    for (int64_t p = 0; p < kTileGroup; ++p) {
      for (int64_t i = 0; i < kTileOut; ++i) {
        for (int64_t j = 0; j < kTileOut; ++j) {
          double sum = 0.25;
          for (int64_t u = 0; u < 9; ++u) {
            const int64_t at = kTileIn * (i + u / 3) + j + u % 3;
            sum += static_cast<double>(kernel[u]) * blocks[at * kTileGroup + p];
          }
          if (relu && sum < 0) sum = 0;
          EXPECT_NEAR(rows[i * kRow + kTileOut * p + j], sum, 1e-5) << p << ": " << i << ", " << j;
        }
      }
    }
  }
}

}  // namespace
}  // namespace rcnn::detection

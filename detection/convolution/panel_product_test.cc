#include "rcnn/detection/convolution/panel_product.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/testing/instruction_levels.h"

namespace rcnn::detection {
namespace {

using Matrix = std::vector<float>;

Matrix Random(int64_t count, uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  Matrix matrix(static_cast<size_t>(count));
  for (float& value : matrix) value = normal(generator);
  return matrix;
}

// The tile [kernel.rows, 16] of a [rows, depth] times b [depth, columns].
Matrix Tile(const PanelKernel& kernel, const Matrix& a, int64_t rows, const Matrix& b,
            int64_t columns, int64_t depth, const TileOptions& options = {}) {
  const AlignedFloats left = AllocateFloats(kernel.rows * depth);
  const AlignedFloats right = AllocateFloats(kPanelColumns * depth);
  PackRows(a.data(), rows, depth, depth, kernel.rows, &left[0]);
  PackColumns(b.data(), columns, depth, columns, &right[0]);
  Matrix tile(kernel.rows * kPanelColumns, 7.0f);
  MultiplyPanels(kernel, &left[0], &right[0], depth, options, tile.data(), kPanelColumns);
  return tile;
}

class PanelProductTest : public ::testing::TestWithParam<InstructionLevel> {
 protected:
  void SetUp() override {
    RCNN_SKIP_WITHOUT(GetParam());
    ASSERT_EQ(kernel().level, GetParam());
  }

  const PanelKernel& kernel() const { return *GetPanelKernel(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(Levels, PanelProductTest,
                         ::testing::Values(InstructionLevel::kAvx2, InstructionLevel::kAvx512),
                         LevelName);

TEST_P(PanelProductTest, EqualsTheProductInFloat64) {
  for (const auto& [rows, columns, depth] :
       {std::tuple(6, 16, 1), std::tuple(6, 16, 300), std::tuple(1, 1, 5), std::tuple(4, 9, 64),
        std::tuple(static_cast<int>(kernel().rows), 16, 129)}) {
    const Matrix a = Random(rows * depth, 1), b = Random(depth * columns, 2);
    const Matrix tile = Tile(kernel(), a, rows, b, columns, depth);
    for (int64_t i = 0; i < kernel().rows; ++i) {
      for (int64_t j = 0; j < kPanelColumns; ++j) {
        double sum = 0;
        for (int64_t d = 0; i < rows && j < columns && d < depth; ++d) {
          sum += static_cast<double>(a[i * depth + d]) * b[d * columns + j];
        }
        EXPECT_NEAR(tile[i * kPanelColumns + j], sum, 1e-6 * (10 + depth)) << i << ", " << j;
      }
    }
  }
}

// Every number of rows, columns around those of vectors, and depths around the chunks that are
// summed in registers; rows of the tile further apart than its columns. An element is a chain of
// fused multiply-adds, so a term goes through at most depth roundings, one for each chunk and those
// of bias and addend.
TEST_P(PanelProductTest, OddShapesEqualTheProductInFloat64WithinItsRoundings) {
  constexpr double kUnit = 1.0 / (1 << 24);
  constexpr int64_t kStride = kPanelColumns + 3, kAddStride = kPanelColumns + 1;
  const int64_t all_rows = kernel().rows;
  const Matrix bias = Random(all_rows, 3), add = Random(all_rows * kAddStride, 4);
  TileOptions options;
  options.bias = bias.data();
  options.add = add.data();
  options.add_stride = kAddStride;
  for (int64_t rows = 1; rows <= all_rows; ++rows) {
    for (const int64_t columns : {1, 3, 7, 8, 9, 13, 16}) {
      for (const int64_t depth : {1, 2, 3, 7, 63, 64, 65, 131}) {
        const Matrix a = Random(rows * depth, 1), b = Random(depth * columns, 2);
        const AlignedFloats left = AllocateFloats(all_rows * depth);
        const AlignedFloats right = AllocateFloats(kPanelColumns * depth);
        PackRows(a.data(), rows, depth, depth, all_rows, &left[0]);
        PackColumns(b.data(), columns, depth, columns, &right[0]);
        Matrix tile(all_rows * kStride, 7.0f);
        MultiplyPanels(kernel(), &left[0], &right[0], depth, options, tile.data(), kStride);
        double worst = 0;  // error, in units of what the roundings allow
        bool is_gap_untouched = true;
        for (int64_t i = 0; i < all_rows; ++i) {
          for (int64_t j = 0; j < kPanelColumns; ++j) {
            double sum = static_cast<double>(bias[i]) + add[i * kAddStride + j];
            double size = std::abs(bias[i]) + std::abs(add[i * kAddStride + j]);
            for (int64_t d = 0; i < rows && j < columns && d < depth; ++d) {
              const double term = static_cast<double>(a[i * depth + d]) * b[d * columns + j];
              sum += term;
              size += std::abs(term);
            }
            const double terms = static_cast<double>(depth + NumPanels(depth, kPanelChunk) + 3);
            worst = std::max(worst, std::abs(tile[i * kStride + j] - sum) / (kUnit * terms * size));
          }
          for (int64_t j = kPanelColumns; j < kStride; ++j) {
            is_gap_untouched &= tile[i * kStride + j] == 7.0f;
          }
        }
        EXPECT_LE(worst, 1) << rows << " x " << depth << " x " << columns;
        EXPECT_TRUE(is_gap_untouched) << rows << " x " << depth << " x " << columns;
      }
    }
  }
}

// From the middle of a wider matrix.
TEST_P(PanelProductTest, TransposedRowsArePackedLikeRows) {
  constexpr int64_t kDepth = 7, kStride = 40;
  for (const int64_t rows : {int64_t{1}, int64_t{5}, kernel().rows}) {
    const Matrix columns = Random(kDepth * kStride, 1);
    Matrix a(rows * kDepth);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t d = 0; d < kDepth; ++d) a[r * kDepth + d] = columns[d * kStride + 3 + r];
    }
    Matrix expected(kernel().rows * kDepth), packed(kernel().rows * kDepth, 7.0f);
    PackRows(a.data(), rows, kDepth, kDepth, kernel().rows, expected.data());
    PackTransposedRows(columns.data() + 3, rows, kDepth, kStride, kernel().rows, packed.data());
    EXPECT_EQ(packed, expected) << rows;
  }
}

// Zeros of both signs count as 0, a NaN does not. Of one chunk of the depth, and of several.
TEST_P(PanelProductTest, AMaskSetsElementsToZero) {
  const int64_t rows = kernel().rows, stride = kPanelColumns + 3;
  const Matrix bias = Random(rows, 3);
  Matrix mask = Random(rows * stride, 4);
  mask[0] = 0.0f;
  mask[1] = -0.0f;
  mask[9] = std::numeric_limits<float>::quiet_NaN();
  for (const int64_t depth : {int64_t{5}, 2 * kPanelChunk + 1}) {
    const Matrix a = Random(rows * depth, 1), b = Random(depth * kPanelColumns, 2);
    TileOptions options;
    options.bias = bias.data();
    const Matrix plain = Tile(kernel(), a, rows, b, kPanelColumns, depth, options);
    options.mask = mask.data();
    options.mask_stride = stride;
    const Matrix masked = Tile(kernel(), a, rows, b, kPanelColumns, depth, options);
    for (int64_t i = 0; i < rows * kPanelColumns; ++i) {
      const float m = mask[i / kPanelColumns * stride + i % kPanelColumns];
      EXPECT_EQ(masked[i], m <= 0 ? 0 : plain[i]) << i;
    }
    EXPECT_EQ(masked[9], plain[9]) << "NaN";
  }
}

TEST_P(PanelProductTest, DepthZeroKeepsTheAddend) {
  const Matrix bias = Random(kernel().rows, 4), add = Random(kernel().rows * 20, 3);
  TileOptions options;
  options.bias = bias.data();
  options.add = add.data();
  options.add_stride = 20;
  const Matrix tile = Tile(kernel(), {}, 6, {}, 16, 0, options);
  for (int64_t i = 0; i < kernel().rows; ++i) {
    for (int64_t j = 0; j < kPanelColumns; ++j) {
      EXPECT_EQ(tile[i * kPanelColumns + j], bias[i] + add[i * 20 + j]);
    }
  }
}

TEST_P(PanelProductTest, ReluCutsNegativesAndKeepsNan) {
  Matrix a = {2, -3, std::numeric_limits<float>::quiet_NaN(), 0, -0.5, 1};
  TileOptions options;
  options.relu = true;
  const Matrix tile = Tile(kernel(), a, 6, {10}, 1, 1, options);
  EXPECT_EQ(tile[0], 20);
  EXPECT_EQ(tile[kPanelColumns], 0);
  EXPECT_TRUE(std::isnan(tile[2 * kPanelColumns]));
  EXPECT_EQ(tile[4 * kPanelColumns], 0);
  EXPECT_EQ(tile[5 * kPanelColumns], 10);
}

TEST_P(PanelProductTest, HasTheBitsOfEveryOtherLevel) {
  const Matrix a = Random(16 * 200, 5), b = Random(200 * 16, 6), bias = Random(16, 7);
  TileOptions options;
  options.bias = bias.data();
  const PanelKernel& avx2 = *GetPanelKernel(InstructionLevel::kAvx2);
  const Matrix expected = Tile(avx2, a, 6, b, 16, 200, options);
  const Matrix tile = Tile(kernel(), a, 6, b, 16, 200, options);
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), tile.begin()));
}

TEST_P(PanelProductTest, PartsOfTheDepthHaveTheBitsOfTheWhole) {
  constexpr int64_t kDepth = 3 * kPanelChunk + 10;
  const int64_t rows = kernel().rows;
  const Matrix a = Random(rows * kDepth, 5), b = Random(kDepth * kPanelColumns, 6);
  const Matrix bias = Random(rows, 7), add = Random(rows * kPanelColumns, 8);
  TileOptions options;
  options.bias = bias.data();
  options.add = add.data();
  options.add_stride = kPanelColumns;
  options.relu = true;
  const Matrix whole = Tile(kernel(), a, rows, b, kPanelColumns, kDepth, options);
  const AlignedFloats left = AllocateFloats(rows * kDepth);
  const AlignedFloats right = AllocateFloats(kPanelColumns * kDepth);
  PackRows(a.data(), rows, kDepth, kDepth, rows, &left[0]);
  PackColumns(b.data(), kPanelColumns, kDepth, kPanelColumns, &right[0]);
  Matrix tile(whole.size());
  for (int64_t begin = 0; begin < kDepth; begin += 2 * kPanelChunk) {
    const int64_t end = std::min(begin + 2 * kPanelChunk, kDepth);
    options.relu = end == kDepth;
    MultiplyPanels(kernel(), &left[begin * rows], &right[begin * kPanelColumns], end - begin,
                   options, tile.data(), kPanelColumns);
    options.bias = nullptr;
    options.add = tile.data();
  }
  EXPECT_EQ(tile, whole);
}

// Of a part of a wider matrix, as PackColumns packs each panel.
TEST_P(PanelProductTest, KernelsPackColumnsAsPackColumnsDoes) {
  for (const int64_t columns : {1, 7, 8, 9, 16, 35, 64}) {
    for (const int64_t depth : {0, 1, 5}) {
      const int64_t stride = columns + 3, panel = depth * kPanelColumns;
      const int64_t panels = NumPanels(columns, kPanelColumns);
      const Matrix b = Random(std::max<int64_t>(1, depth) * stride, 5);
      Matrix expected(panels * panel, -1), packed(panels * panel, -1);
      for (int64_t p = 0; p < panels; ++p) {
        PackColumns(b.data() + p * kPanelColumns,
                    std::min(kPanelColumns, columns - p * kPanelColumns), depth, stride,
                    expected.data() + p * panel);
      }
      kernel().pack_columns(b.data(), columns, depth, stride, packed.data());
      EXPECT_EQ(packed, expected) << depth << " x " << columns;
    }
  }
}

// Rows that fill a panel and that do not; depths around those of the vectors (8 and 16).
TEST_P(PanelProductTest, KernelsPackRowsAsPackRowsDoes) {
  using Pack = void (*)(const float*, int64_t, int64_t, int64_t, float*);
  for (const auto& [pack, width] : {std::pair<Pack, int64_t>(kernel().pack_rows, kernel().rows),
                                    {kernel().pack_transposed, kPanelColumns}}) {
    for (const int64_t depth : {0, 1, 7, 8, 9, 16, 37}) {
      for (int64_t rows = 1; rows <= width; ++rows) {
        const int64_t stride = depth + 3;
        const Matrix a = Random(rows * stride, 5);
        Matrix expected(depth * width, -1), panel(depth * width + kPanelSlack, -1);
        PackRows(a.data(), rows, depth, stride, width, expected.data());
        pack(a.data(), stride, rows, depth, panel.data());
        panel.resize(expected.size());
        EXPECT_EQ(panel, expected) << rows << " x " << depth << " of " << width;
      }
    }
  }
}

TEST(PackTest, MissingRowsAndColumnsAreZero) {
  const Matrix a = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};  // [7, 2]
  Matrix rows(2 * 6 * 2, -1);
  PackRows(a.data(), 7, 2, 2, 6, rows.data());
  EXPECT_EQ(rows, (Matrix{1,  3, 5, 7, 9, 11, 2,  4, 6, 8, 10, 12,  //
                          13, 0, 0, 0, 0, 0,  14, 0, 0, 0, 0,  0}));
  Matrix columns(2 * kPanelColumns, -1), expected(2 * kPanelColumns, 0);
  PackColumns(a.data(), 3, 2, 5, columns.data());
  std::copy(a.begin(), a.begin() + 3, expected.begin());
  std::copy(a.begin() + 5, a.begin() + 8, expected.begin() + kPanelColumns);
  EXPECT_EQ(columns, expected);
}

TEST(PackTest, BuffersAreAligned) {
  for (const int64_t count : {0, 1, 1000}) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(AllocateFloats(count).get()) % 64, 0u);
  }
}

}  // namespace
}  // namespace rcnn::detection

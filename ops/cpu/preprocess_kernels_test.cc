#include "rcnn/ops/cpu/preprocess_kernels.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/testing/instruction_levels.h"

namespace rcnn::ops {
namespace {

// The relative error of a rounding.
constexpr double kUnit = 1.0 / (1 << 24);

using Floats = std::vector<float>;

Floats Random(int64_t count, uint32_t seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> bytes(0, 255);
  Floats numbers(static_cast<size_t>(count));
  for (float& number : numbers) number = bytes(generator);
  return numbers;
}

// `width` pixels and the byte that follows them, in a block of its own.
std::vector<uint8_t> RandomRow(int64_t width) {
  std::mt19937 generator(static_cast<uint32_t>(width));
  std::vector<uint8_t> row(static_cast<size_t>(3 * width + 1));
  for (uint8_t& byte : row) byte = static_cast<uint8_t>(generator());
  return row;
}

// A row of `width` pixels to `count`, mirrored or not.
struct Resizing {
  int64_t width, count;
  bool mirrored;

  ResizeAxis Axis() const {
    ResizeAxis axis = ComputeResizeAxis(count, Step(), width);
    for (std::vector<int32_t>* pixels : {&axis.low, &axis.high}) {
      for (int32_t& pixel : *pixels) {
        pixel = 3 * (mirrored ? static_cast<int32_t>(width - 1) - pixel : pixel);
      }
    }
    return axis;
  }

  // Channel c of output pixel i in float64: the row's value at (i + 0.5) * step - 0.5.
  double Exact(const std::vector<uint8_t>& row, int64_t i, int64_t c) const {
    const double last = static_cast<double>(width - 1);
    double x = std::clamp((static_cast<double>(i) + 0.5) * Step() - 0.5, 0.0, last);
    if (mirrored) x = last - x;
    const auto left = static_cast<int64_t>(x), right = std::min(left + 1, width - 1);
    const double part = x - static_cast<double>(left);
    return (1 - part) * row[3 * left + c] + part * row[3 * right + c];
  }

 private:
  double Step() const { return static_cast<double>(width) / static_cast<double>(count); }
};

// A pixel; fewer pixels than a vector, as many, and one more and less; primes; up and down.
std::vector<Resizing> Resizings() {
  std::vector<Resizing> all;
  for (const auto& [width, count] :
       {std::pair(1, 1), std::pair(1, 7), std::pair(7, 1), std::pair(3, 2), std::pair(2, 3),
        std::pair(5, 8), std::pair(8, 15), std::pair(17, 16), std::pair(16, 17), std::pair(31, 31),
        std::pair(13, 53), std::pair(97, 24), std::pair(101, 127), std::pair(300, 3)}) {
    for (const bool mirrored : {false, true}) all.push_back({width, count, mirrored});
  }
  return all;
}

constexpr float kUntouched = -7;
// Elements between two planes.
constexpr int64_t kSpare = 4;

// [3][count + kSpare] planes.
Floats Resize(const Resizing& resizing, const std::vector<uint8_t>& row) {
  const int64_t stride = resizing.count + kSpare;
  Floats planes(static_cast<size_t>(3 * stride), kUntouched);
  ResizeRow(row.data(), resizing.Axis(), stride, planes.data());
  return planes;
}

class PreprocessKernelsTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, PreprocessKernelsTest, LevelsFrom(InstructionLevel::kPortable),
                         LevelName);

// The weight, times 255, the product and the sum are each off by at most half a unit in the last
// place of 255.
TEST_P(PreprocessKernelsTest, ARowIsInterpolated) {
  for (const Resizing& resizing : Resizings()) {
    SCOPED_TRACE(::testing::Message()
                 << resizing.width << " to " << resizing.count << " " << resizing.mirrored);
    const std::vector<uint8_t> row = RandomRow(resizing.width);
    const Floats planes = Resize(resizing, row);
    for (int64_t c = 0; c < 3; ++c) {
      const float* plane = planes.data() + c * (resizing.count + kSpare);
      for (int64_t i = 0; i < resizing.count; ++i) {
        EXPECT_NEAR(plane[i], resizing.Exact(row, i, c), 3 * 128 * kUnit) << c << " " << i;
      }
      for (int64_t i = 0; i < kSpare; ++i) EXPECT_EQ(plane[resizing.count + i], kUntouched) << c;
    }
  }
}

TEST_P(PreprocessKernelsTest, TheByteAfterTheRowHasNoEffect) {
  for (const Resizing& resizing : Resizings()) {
    std::vector<uint8_t> row = RandomRow(resizing.width);
    const Floats planes = Resize(resizing, row);
    row.back() ^= 0xFF;
    EXPECT_EQ(Resize(resizing, row), planes) << resizing.width << " to " << resizing.count;
  }
}

struct BlendedRows {
  explicit BlendedRows(int64_t count) {
    // One more, so that the rows do not begin at a multiple of a vector.
    for (uint32_t c = 0; c < 3; ++c) {
      lows.push_back(Random(count + 1, 2 * c));
      highs.push_back(Random(count + 1, 2 * c + 1));
    }
  }
  const float* low(int64_t c) const { return lows[c].data() + 1; }
  const float* high(int64_t c) const { return highs[c].data() + 1; }

  std::vector<Floats> lows, highs;
};

constexpr BlendRow kBlend[3] = {{0.3f, 102.9801f, 0.25f}, {0.6f, 115.9465f, 1 / 57.12f}, {1, 0, 1}};

void ExpectBlend(float value, float low, float high, const BlendRow& blend) {
  const double w = blend.weight, mean = blend.mean, factor = blend.factor;
  // One for each of the five operations.
  const double rounding =
      5 * kUnit * factor * (std::abs(low) + w * std::abs(high - low) + std::abs(mean));
  EXPECT_NEAR(value, ((1 - w) * low + w * high - mean) * factor, rounding);
}

TEST_P(PreprocessKernelsTest, RowsAreBlendedAndNormalised) {
  for (const int64_t count : {1, 2, 7, 8, 9, 15, 16, 17, 23, 24, 31, 33, 101}) {
    const BlendedRows rows(count);
    Floats to(static_cast<size_t>(count + 2), kUntouched);
    BlendRows(rows.low(0), rows.high(0), kBlend[0], count, to.data() + 1);
    for (int64_t i = 0; i < count; ++i) {
      ExpectBlend(to[i + 1], rows.low(0)[i], rows.high(0)[i], kBlend[0]);
    }
    EXPECT_EQ(to.front(), kUntouched) << count;
    EXPECT_EQ(to.back(), kUntouched) << count;
  }
}

TEST_P(PreprocessKernelsTest, PlanesAreBlendedIntoPixels) {
  for (const int64_t count : {1, 2, 7, 8, 9, 15, 16, 17, 23, 24, 31, 33, 101}) {
    const BlendedRows rows(count);
    const float* const low[3] = {rows.low(0), rows.low(1), rows.low(2)};
    const float* const high[3] = {rows.high(0), rows.high(1), rows.high(2)};
    Floats to(static_cast<size_t>(3 * count + 2), kUntouched);
    BlendRowsToPixels(low, high, kBlend, count, to.data() + 1);
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t c = 0; c < 3; ++c) {
        ExpectBlend(to[3 * i + c + 1], low[c][i], high[c][i], kBlend[c]);
      }
    }
    EXPECT_EQ(to.front(), kUntouched) << count;
    EXPECT_EQ(to.back(), kUntouched) << count;
  }
}

TEST_P(PreprocessKernelsTest, HasTheBitsOfEveryOtherLevel) {
  for (const Resizing& resizing : Resizings()) {
    const std::vector<uint8_t> row = RandomRow(resizing.width);
    const BlendedRows rows(resizing.count);
    const float* const low[3] = {rows.low(0), rows.low(1), rows.low(2)};
    const float* const high[3] = {rows.high(0), rows.high(1), rows.high(2)};
    const auto run = [&] {
      Floats all = Resize(resizing, row);
      const size_t begin = all.size();
      all.resize(begin + static_cast<size_t>(4 * resizing.count));
      BlendRows(low[1], high[1], kBlend[1], resizing.count, all.data() + begin);
      BlendRowsToPixels(low, high, kBlend, resizing.count, all.data() + begin + resizing.count);
      return all;
    };
    const Floats here = run();
    const ScopedInstructionLevel level(InstructionLevel::kPortable);
    EXPECT_EQ(run(), here) << resizing.width << " to " << resizing.count;
  }
}

}  // namespace
}  // namespace rcnn::ops

#include "rcnn/ops/cpu/roi_align_kernels.h"

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/ops/cpu/channel_blocks.h"
#include "rcnn/ops/cpu/roi_align_taps.h"

namespace rcnn::ops {
namespace {

constexpr int64_t kBlock = kChannelBlock<float>;
constexpr int64_t kHeight = 13, kWidth = 11;

// A RoI on a map of kHeight x kWidth pixels.
struct Roi {
  Roi(const RoiAxis<float>& along_y, const RoiAxis<float>& along_x)
      : y(ComputeAxisTaps(along_y)), x(ComputeAxisTaps(along_x)) {
    for (const int32_t pixel : y.pixels) rows.push_back(pixel * kWidth * kBlock);
    for (const int32_t pixel : x.pixels) columns.push_back(pixel * kBlock);
  }

  RoiOnBlock<float> OnBlock() const { return {&y, &x, rows.data(), columns.data()}; }
  int64_t NumBins() const {
    return static_cast<int64_t>((y.bin_begin.size() - 1) * (x.bin_begin.size() - 1));
  }

  // Calls use(bin, pixel, weight) for all of them, in float64.
  template <typename Use>
  void ForEachTap(const Use& use) const {
    const auto bin_columns = static_cast<int64_t>(x.bin_begin.size()) - 1;
    for (int64_t b = 0; b < NumBins(); ++b) {
      const int64_t i = b / bin_columns, j = b % bin_columns;
      for (int32_t s = y.bin_begin[i]; s < y.bin_begin[i + 1]; ++s) {
        for (int32_t t = x.bin_begin[j]; t < x.bin_begin[j + 1]; ++t) {
          const int64_t pixel = y.pixels[y.slot[s]] * kWidth + x.pixels[x.slot[t]];
          use(b, pixel, static_cast<double>(y.weight[s]) * static_cast<double>(x.weight[t]));
        }
      }
    }
  }

  AxisTaps<float> y, x;
  std::vector<int64_t> rows, columns;
};

// Inside, beyond two edges, of one bin, adaptive, and empty.
std::vector<Roi> Rois() {
  return {Roi({1.3f, 8, 7, 2, kHeight}, {2.1f, 6.5f, 7, 2, kWidth}),
          Roi({-2, 9, 3, 2, kHeight}, {5, 12, 4, 3, kWidth}),
          Roi({4, 0.5f, 1, 1, kHeight}, {3, 0.25f, 1, 2, kWidth}),
          Roi({0, 12, 2, 0, kHeight}, {0.5f, 10, 3, 0, kWidth}),
          Roi({3, 0, 2, 0, kHeight}, {3, 4, 2, 2, kWidth})};
}

std::vector<float> Random(int64_t count, uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> numbers(static_cast<size_t>(count));
  for (float& number : numbers) number = normal(generator);
  return numbers;
}

std::vector<float> Sample(const Roi& roi, const std::vector<float>& map) {
  std::vector<float> bins(static_cast<size_t>(roi.NumBins() * kBlock), NAN);
  std::vector<float> columns(roi.x.pixels.size() * kBlock);
  SampleBlock(map.data(), roi.OnBlock(), columns.data(), bins.data());
  return bins;
}

std::vector<float> Scatter(const Roi& roi, const std::vector<float>& bins, std::vector<float> map) {
  std::vector<float> columns(roi.x.pixels.size() * kBlock, NAN);
  ScatterBlock(bins.data(), roi.OnBlock(), columns.data(), map.data());
  return map;
}

class RoiAlignKernelsTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, RoiAlignKernelsTest, LevelsFrom(InstructionLevel::kPortable),
                         LevelName);

// Within the roundings of at most 60 terms: n u times the sum of their absolute values, u = 2^-24.
constexpr double kRounding = 60.0 / (1 << 24);

TEST_P(RoiAlignKernelsTest, BinsAreWeightedSumsOfPixels) {
  const std::vector<float> map = Random(kHeight * kWidth * kBlock, 1);
  for (const Roi& roi : Rois()) {
    std::vector<double> exact(static_cast<size_t>(roi.NumBins() * kBlock)), size(exact.size());
    roi.ForEachTap([&](int64_t bin, int64_t pixel, double weight) {
      for (int64_t c = 0; c < kBlock; ++c) {
        exact[bin * kBlock + c] += weight * map[pixel * kBlock + c];
        size[bin * kBlock + c] += std::abs(weight * map[pixel * kBlock + c]);
      }
    });
    const std::vector<float> bins = Sample(roi, map);
    for (size_t i = 0; i < exact.size(); ++i) {
      EXPECT_LE(std::abs(bins[i] - exact[i]), kRounding * size[i]) << i;
    }
  }
}

TEST_P(RoiAlignKernelsTest, GradientsAreAddedToTheSamePixels) {
  const std::vector<float> before = Random(kHeight * kWidth * kBlock, 2);
  for (const Roi& roi : Rois()) {
    const std::vector<float> bins = Random(roi.NumBins() * kBlock, 3);
    std::vector<double> exact(before.begin(), before.end()), size(exact.size());
    for (size_t i = 0; i < size.size(); ++i) size[i] = std::abs(exact[i]);
    roi.ForEachTap([&](int64_t bin, int64_t pixel, double weight) {
      for (int64_t c = 0; c < kBlock; ++c) {
        exact[pixel * kBlock + c] += weight * bins[bin * kBlock + c];
        size[pixel * kBlock + c] += std::abs(weight * bins[bin * kBlock + c]);
      }
    });
    const std::vector<float> after = Scatter(roi, bins, before);
    for (size_t i = 0; i < exact.size(); ++i) {
      EXPECT_LE(std::abs(after[i] - exact[i]), kRounding * size[i]) << i;
    }
  }
}

TEST_P(RoiAlignKernelsTest, HasTheBitsOfEveryOtherLevel) {
  const std::vector<float> map = Random(kHeight * kWidth * kBlock, 1);
  for (const Roi& roi : Rois()) {
    const std::vector<float> dy = Random(roi.NumBins() * kBlock, 3);
    const std::vector<float> bins = Sample(roi, map), gradient = Scatter(roi, dy, map);
    const ScopedInstructionLevel level(InstructionLevel::kPortable);
    EXPECT_EQ(Sample(roi, map), bins);
    EXPECT_EQ(Scatter(roi, dy, map), gradient);
  }
}

}  // namespace
}  // namespace rcnn::ops

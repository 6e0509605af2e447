#include "rcnn/detection/convolution/bfloat16_kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/detection/convolution/bfloat16_panels.h"

namespace rcnn::detection {
namespace {

constexpr int64_t kLanes = kBfloat16Lanes;

std::vector<float> Random(int64_t count, uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> numbers(count);
  for (float& number : numbers) number = normal(generator);
  return numbers;
}

// With numbers that round in special ways.
std::vector<float> RandomWithSpecials(int64_t count, uint32_t seed) {
  std::vector<float> numbers = Random(count, seed);
  const float specials[] = {1.00390625f, 1e-40f, std::numeric_limits<float>::infinity(), -0.0f,
                            std::nanf("")};
  std::copy_n(specials, std::min<int64_t>(count, 5), numbers.begin());
  return numbers;
}

// The level's kernels against plain code.
class Bfloat16KernelsTest : public InstructionLevelTest {
 protected:
  const Bfloat16Kernels& kernels() const { return GetBfloat16Kernels(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(Levels, Bfloat16KernelsTest, LevelsFrom(InstructionLevel::kPortable),
                         LevelName);

TEST_P(Bfloat16KernelsTest, PacksRows) {
  for (const int64_t depth : {1, 2, 3, 15, 16, 31, 32, 33, 100}) {
    for (const int64_t rows : {1, 5, 16}) {
      const int64_t stride = depth + 3, size = Bfloat16PanelSize(NumPairs(depth));
      const std::vector<float> a = RandomWithSpecials(rows * stride, 1);
      const AlignedBfloat16s panel = AllocateBfloat16s(size);
      kernels().pack_rows(a.data(), stride, rows, depth, &panel[0]);
      for (int64_t i = 0; i < size; ++i) {
        const int64_t row = i / 2 % kLanes, d = i / (2 * kLanes) * 2 + i % 2;
        const bool inside = row < rows && d < depth;
        EXPECT_EQ(panel[i], inside ? RoundToBfloat16(a[row * stride + d]) : 0)
            << depth << " " << rows << " " << i;
      }
    }
  }
}

TEST_P(Bfloat16KernelsTest, PacksPlanes) {
  for (const int64_t step : {1, 2, 3}) {
    for (const int64_t count : {1, 2, 5}) {
      constexpr int64_t kPlane = 200;
      const std::vector<float> planes = RandomWithSpecials(count * kPlane, 2);
      // Lanes 0 to 4, 5 to 9 and 12 to 15; 10 and 11 are padding.
      const LaneSegment segments[] = {
          {3, 0x001f}, {40 - 5 * step, 0x03e0}, {kPlane - 1 - 15 * step, 0xf000}};
      const int64_t size = Bfloat16PanelSize(NumPairs(count));
      const AlignedBfloat16s panel = AllocateBfloat16s(size);
      kernels().pack_planes({planes.data(), kPlane, count, segments, 3, step}, &panel[0]);
      for (int64_t i = 0; i < size; ++i) {
        const int64_t lane = i / 2 % kLanes, plane = i / (2 * kLanes) * 2 + i % 2;
        Bfloat16 expected = 0;
        for (const LaneSegment& segment : segments) {
          if (plane < count && (segment.lanes >> lane & 1) != 0) {
            expected = RoundToBfloat16(planes[plane * kPlane + segment.offset + lane * step]);
          }
        }
        EXPECT_EQ(panel[i], expected) << step << " " << count << " " << i;
      }
    }
  }
}

TEST_P(Bfloat16KernelsTest, PacksPairs) {
  const std::vector<float> even = RandomWithSpecials(3 * kLanes, 3), odd = Random(3 * kLanes, 4);
  const AlignedBfloat16s pairs = AllocateBfloat16s(3 * 64);
  std::fill_n(&pairs[0], 3 * 64, Bfloat16{7});
  kernels().pack_pairs(even.data(), odd.data(), 3, &pairs[0], 64);
  for (int64_t i = 0; i < 3 * 64; ++i) {
    const int64_t number = i / 64 * kLanes + i % 64 / 2;
    const Bfloat16 expected =
        i % 64 >= 2 * kLanes ? 7 : RoundToBfloat16(i % 2 == 0 ? even[number] : odd[number]);
    EXPECT_EQ(pairs[i], expected) << i;
  }
}

// A scale for each lane.
std::vector<float> Scales() {
  std::vector<float> scales(kLanes);
  for (int64_t l = 0; l < kLanes; ++l) scales[l] = std::ldexp(1.0f, static_cast<int>(3 * l) - 20);
  return scales;
}

TEST_P(Bfloat16KernelsTest, PacksHalves) {
  const std::vector<float> floats = RandomWithSpecials(3 * kLanes, 11), scales = Scales();
  std::vector<Half> halves(4 * kLanes, Half{7});
  kernels().pack_halves(floats.data(), scales.data(), 3, halves.data());
  for (int64_t i = 0; i < 4 * kLanes; ++i) {
    const Half expected = i < 3 * kLanes ? RoundToHalf(floats[i] * scales[i % kLanes]) : 7;
    EXPECT_EQ(halves[i], expected) << i;
  }
}

// All halves there are.
TEST_P(Bfloat16KernelsTest, UnpacksHalves) {
  constexpr int64_t kHalves = 0x10000;
  const std::vector<float> scales = Scales();
  std::vector<Half> halves(kHalves);
  for (int64_t i = 0; i < kHalves; ++i) halves[i] = static_cast<Half>(i);
  std::vector<float> floats(kHalves + kLanes, 7.0f);
  kernels().unpack_halves(halves.data(), scales.data(), kHalves / kLanes, floats.data());
  for (int64_t i = 0; i < kHalves; ++i) {
    const float expected = HalfToFloat(halves[i]) * scales[i % kLanes];
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(floats[i])) << i;
    } else {
      ASSERT_EQ(floats[i], expected) << i;
    }
  }
  EXPECT_EQ(floats[kHalves], 7);
}

struct Panels {
  AlignedBfloat16s rows, columns;
};

// a [16, depth] and b [16, depth].
Panels Pack(const Bfloat16Kernels& kernels, const std::vector<float>& a,
            const std::vector<float>& b, int64_t depth) {
  const int64_t size = Bfloat16PanelSize(NumPairs(depth));
  Panels panels = {AllocateBfloat16s(size), AllocateBfloat16s(size)};
  kernels.pack_rows(a.data(), depth, kLanes, depth, &panels.rows[0]);
  kernels.pack_rows(b.data(), depth, kLanes, depth, &panels.columns[0]);
  return panels;
}

TEST_P(Bfloat16KernelsTest, MultipliesRoundedNumbers) {
  for (const int64_t depth : {0, 1, 2, 7, 64, 513}) {
    const std::vector<float> a = Random(kLanes * depth, 5), b = Random(kLanes * depth, 6);
    const Panels panels = Pack(kernels(), a, b, depth);
    std::vector<float> tile(kLanes * kLanes, 7.0f);
    kernels().multiply(&panels.rows[0], &panels.columns[0], NumPairs(depth), {}, tile.data(),
                       kLanes);
    for (int64_t i = 0; i < kLanes * kLanes; ++i) {
      double sum = 0;
      for (int64_t d = 0; d < depth; ++d) {
        sum += static_cast<double>(ToFloat(RoundToBfloat16(a[i / kLanes * depth + d]))) *
               ToFloat(RoundToBfloat16(b[i % kLanes * depth + d]));
      }
      EXPECT_NEAR(tile[i], sum, 1e-6 * (1 + static_cast<double>(depth))) << depth << " " << i;
    }
  }
}

// Also the order of the sums is that of the portable kernel.
TEST_P(Bfloat16KernelsTest, HasTheBitsOfThePortableKernels) {
  constexpr int64_t kDepth = 301, kStride = 17, kAddStride = 20;
  const std::vector<float> a = Random(kLanes * kDepth, 7), b = Random(kLanes * kDepth, 8);
  const std::vector<float> bias = Random(kLanes, 9), add = Random(kLanes * kAddStride, 10);
  const Panels panels = Pack(kernels(), a, b, kDepth);
  TileOptions options;
  options.bias = bias.data();
  options.add = add.data();
  options.add_stride = kAddStride;
  for (const bool relu : {false, true}) {
    options.relu = relu;
    std::vector<float> tile(kLanes * kStride), expected(tile.size());
    const auto multiply = [&](const Bfloat16Kernels& some, std::vector<float>& out) {
      some.multiply(&panels.rows[0], &panels.columns[0], NumPairs(kDepth), options, out.data(),
                    kStride);
    };
    multiply(kernels(), tile);
    multiply(GetBfloat16Kernels(InstructionLevel::kPortable), expected);
    EXPECT_EQ(tile, expected);
  }
}

TEST_P(Bfloat16KernelsTest, ReluKeepsNan) {
  std::vector<float> a(kLanes, -1), b(kLanes, 1);
  b[3] = std::nanf("");
  const Panels panels = Pack(kernels(), a, b, 1);
  TileOptions options;
  options.relu = true;
  std::vector<float> tile(kLanes * kLanes);
  kernels().multiply(&panels.rows[0], &panels.columns[0], 1, options, tile.data(), kLanes);
  EXPECT_EQ(tile[0], 0);
  EXPECT_TRUE(std::isnan(tile[3]));
}

}  // namespace
}  // namespace rcnn::detection

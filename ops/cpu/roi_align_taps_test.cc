#include "rcnn/ops/cpu/roi_align_taps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <random>

namespace rcnn::ops {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(RoiAlignTapsTest, SamplesOnTheSamePixelAreOneTap) {
  // One bin from 1 to 3 with samples at 1.5 and 2.5: halves of pixels 1, 2 and 2, 3.
  const AxisTaps<double> taps = ComputeAxisTaps<double>({1, 2, 1, 2, 10});
  EXPECT_THAT(taps.pixels, ElementsAre(1, 2, 3));
  EXPECT_THAT(taps.bin_begin, ElementsAre(0, 3));
  EXPECT_THAT(taps.slot, ElementsAre(0, 1, 2));
  EXPECT_THAT(taps.weight, ElementsAre(DoubleEq(0.25), DoubleEq(0.5), DoubleEq(0.25)));
}

TEST(RoiAlignTapsTest, NeighbouringBinsShareSlots) {
  // Two bins of length 0.5 with one sample each, at 4.25 and 4.75.
  const AxisTaps<double> taps = ComputeAxisTaps<double>({4, 1, 2, 1, 10});
  EXPECT_THAT(taps.pixels, ElementsAre(4, 5));
  EXPECT_THAT(taps.bin_begin, ElementsAre(0, 2, 4));
  EXPECT_THAT(taps.slot, ElementsAre(0, 1, 0, 1));
  EXPECT_THAT(taps.weight,
              ElementsAre(DoubleEq(0.75), DoubleEq(0.25), DoubleEq(0.25), DoubleEq(0.75)));
}

TEST(RoiAlignTapsTest, EdgeIsRepeatedForOnePixelAndThenNothing) {
  // Samples at -1.5, -0.5, 0.5, ..., 4.5 and 5.5 over 4 pixels, whose centres are 0 to 3: those
  // below -1 and above 4 count as 0.
  const AxisTaps<double> taps = ComputeAxisTaps<double>({-2, 8, 8, 1, 4});
  EXPECT_THAT(taps.pixels, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(taps.bin_begin, ElementsAre(0, 0, 1, 3, 5, 7, 8, 8, 8));
  EXPECT_EQ(taps.weight.front(), 1);
  EXPECT_EQ(taps.weight.back(), 1);
}

TEST(RoiAlignTapsTest, AdaptiveSamplingOfAnEmptyRoiGivesNothing) {
  const AxisTaps<float> taps = ComputeAxisTaps<float>({3, 0, 2, 0, 10});
  EXPECT_THAT(taps.pixels, IsEmpty());
  EXPECT_THAT(taps.bin_begin, ElementsAre(0, 0, 0));
}

// Inside the map the weights of a bin sum to 1, and their centre is the bin's.
TEST(RoiAlignTapsTest, WeightsOfABinBalanceAtItsCentre) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> start(0, 20);
  std::uniform_real_distribution<double> length(0.01, 79);
  for (int i = 0; i < 200; ++i) {
    const RoiAxis<double> axis{start(random), length(random), 1 + i % 9, i % 5, 100};
    const AxisTaps<double> taps = ComputeAxisTaps(axis);
    EXPECT_TRUE(std::is_sorted(taps.pixels.begin(), taps.pixels.end()));
    for (int64_t bin = 0; bin < axis.bins; ++bin) {
      double sum = 0;
      double moment = 0;
      for (int32_t t = taps.bin_begin[bin]; t < taps.bin_begin[bin + 1]; ++t) {
        sum += taps.weight[t];
        moment += taps.weight[t] * taps.pixels[taps.slot[t]];
      }
      EXPECT_NEAR(sum, 1, 1e-12);
      EXPECT_NEAR(moment, axis.start + (bin + 0.5) * axis.length / axis.bins, 1e-10);
    }
  }
}

TEST(RoiAlignTapsTest, HugeAxisIsClippedToTheMap) {
  const AxisTaps<float> taps = ComputeAxisTaps<float>({-5e8f, 1e9f, 7, 0, 50});
  EXPECT_LE(taps.pixels.size(), 50u);
  EXPECT_LE(taps.slot.size(), 200u);
}

}  // namespace
}  // namespace rcnn::ops

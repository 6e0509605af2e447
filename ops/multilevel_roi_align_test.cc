#include "rcnn/ops/multilevel_roi_align.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <limits>
#include <vector>

#include "rcnn/ops/error_message.h"
#include "rcnn/ops/roi_align.h"
#include "rcnn/ops/testing/queue_device.h"
#include "rcnn/ops/testing/random_rois.h"

namespace rcnn::ops {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::QueueDevice;
using testing::RandomMap;
using testing::RandomRois;
using ::testing::StartsWith;

std::vector<int64_t> LevelsOfSquares(const std::vector<double>& sides, const FpnLevelRule& rule) {
  at::Tensor rois = at::zeros({static_cast<int64_t>(sides.size()), 5}, at::kDouble);
  for (size_t i = 0; i < sides.size(); ++i) {
    rois[i][3] = sides[i];
    rois[i][4] = sides[i];
  }
  const at::Tensor levels = FpnLevels(rois, rule);
  return {levels.data_ptr<int64_t>(), levels.data_ptr<int64_t>() + levels.numel()};
}

// Canonical: 224 px at level 4, one level per factor of 2, levels 2 to 5 of indices 0 to 3.
TEST(FpnLevelsTest, LevelRisesWithEachDoublingOfTheSide) {
  EXPECT_THAT(LevelsOfSquares({0, 1, 111.99, 112, 223.99, 224, 447.99, 448, 1e6}, {}),
              ElementsAre(0, 0, 0, 1, 1, 2, 2, 3, 3));
}

TEST(FpnLevelsTest, OnlyTheAreaCounts) {
  const at::Tensor rois =
      at::tensor({0., 5., 5., 5. + 448, 5. + 112, 0., 0., 0., 112., 448.}, at::kDouble)
          .view({2, 5});
  EXPECT_TRUE(at::equal(FpnLevels(rois, {}), at::tensor({2, 2}, at::kLong)));
}

TEST(FpnLevelsTest, RuleIsAdjustable) {
  EXPECT_THAT(LevelsOfSquares({50, 100, 200, 400, 800}, {3, 6, 5, 200}),
              ElementsAre(0, 1, 2, 3, 3));
}

// There nobody has checked the RoIs: a NaN must not become an index.
TEST(FpnLevelsTest, AnotherDeviceFindsTheSameLevels) {
  at::Tensor rois = RandomRois({40, 2, 800, 1300, 20}, 1);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (int64_t i = 1; i < 5; ++i) rois[i][i] = nan;
  rois[5].slice(0, 1).fill_(nan);
  rois[6][3] = rois[6][1] - 5;
  EXPECT_TRUE(at::equal(FpnLevels(rois.to(QueueDevice()), {}).cpu(), FpnLevels(rois, {})));
}

TEST(FpnLevelsTest, ErrorsNameTheArgument) {
  EXPECT_THAT(ErrorMessage([] { FpnLevels(at::zeros({3, 4}), {}); }), StartsWith("rois:"));
  EXPECT_THAT(ErrorMessage([] { FpnLevels(at::zeros({3, 5}), {5, 2}); }), StartsWith("max_level:"));
  EXPECT_THAT(ErrorMessage([] {
                FpnLevels(at::zeros({3, 5}), {2, 5, 4, 0});
              }),
              StartsWith("canonical_size_px:"));
}

class MultilevelRoiAlignTest : public ::testing::Test {
 protected:
  static at::Tensor Rois(at::ScalarType dtype = at::kFloat) {
    const at::Tensor small = RandomRois({10, 2, 64, 64, 4}, 3);
    return at::cat({RandomRois({30, 2, 640, 640, 20}, 5), small}).to(dtype);
  }
  static std::vector<at::Tensor> Maps(at::ScalarType dtype, int64_t channels = 35) {
    std::vector<at::Tensor> maps;
    for (const int64_t side : {80, 40, 20, 10}) {
      maps.push_back(RandomMap({2, channels, side, side}, dtype, side));
    }
    return maps;
  }
  static MultilevelRoiAlignOptions Options() {
    MultilevelRoiAlignOptions options;
    options.pooled_height = 3;
    options.pooled_width = 2;
    options.spatial_scales = {1. / 8, 1. / 16, 1. / 32, 1. / 64};
    return options;
  }
  static RoiAlignOptions OptionsOfLevel(int64_t level) {
    return {3, 2, Options().spatial_scales[level], Options().sampling_ratio, Options().aligned};
  }
};

TEST_F(MultilevelRoiAlignTest, EachRoiIsRoiAlignOfItsLevel) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kBFloat16}) {
    const std::vector<at::Tensor> maps = Maps(dtype);
    const at::Tensor pooled = MultilevelRoiAlign(maps, Rois(), Options());
    const at::Tensor levels = FpnLevels(Rois(), {});
    EXPECT_EQ(at::bincount(levels, {}, 4).gt(0).sum().item<int64_t>(), 4)
        << "the RoIs must use every level";
    for (int64_t r = 0; r < levels.size(0); ++r) {
      const int64_t level = levels[r].item<int64_t>();
      EXPECT_TRUE(
          at::equal(pooled.slice(0, r, r + 1),
                    RoiAlign(maps[level], Rois().slice(0, r, r + 1), OptionsOfLevel(level))))
          << "RoI " << r;
    }
  }
}

TEST_F(MultilevelRoiAlignTest, GradientOfALevelIsThatOfItsRois) {
  std::vector<at::Tensor> maps = Maps(at::kDouble, 3);
  for (at::Tensor& map : maps) map.requires_grad_(true);
  const at::Tensor rois = Rois(at::kDouble);
  const at::Tensor pooled = MultilevelRoiAlign(maps, rois, Options());
  const at::Tensor grad = RandomMap(pooled.sizes(), at::kDouble, 9);
  const auto grads = torch::autograd::grad({pooled}, {maps.begin(), maps.end()}, {grad});
  const at::Tensor levels = FpnLevels(rois, {});
  for (int64_t level = 0; level < 4; ++level) {
    const at::Tensor chosen = levels.eq(level).nonzero().view(-1);
    const at::Tensor alone =
        RoiAlign(maps[level], rois.index_select(0, chosen), OptionsOfLevel(level));
    const at::Tensor expected =
        torch::autograd::grad({alone}, {maps[level]}, {grad.index_select(0, chosen)})[0];
    EXPECT_TRUE(at::equal(grads[level], expected)) << "level " << level;
  }
}

TEST_F(MultilevelRoiAlignTest, LayoutChangesNoBit) {
  std::vector<at::Tensor> channels_last = Maps(at::kFloat);
  for (at::Tensor& map : channels_last) map = map.contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor pooled = MultilevelRoiAlign(channels_last, Rois(), Options());
  EXPECT_TRUE(pooled.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(at::equal(pooled, MultilevelRoiAlign(Maps(at::kFloat), Rois(), Options())));
}

TEST_F(MultilevelRoiAlignTest, NoRoisGiveNoRowsAndZeroGradient) {
  std::vector<at::Tensor> maps = Maps(at::kFloat);
  for (at::Tensor& map : maps) map.requires_grad_(true);
  const at::Tensor pooled = MultilevelRoiAlign(maps, at::empty({0, 5}), Options());
  EXPECT_EQ(pooled.sizes(), at::IntArrayRef({0, 35, 3, 2}));
  pooled.sum().backward();
  for (const at::Tensor& map : maps) EXPECT_TRUE(at::equal(map.grad(), at::zeros_like(map)));
}

TEST_F(MultilevelRoiAlignTest, ErrorsNameTheArgument) {
  const auto error = [](const std::vector<at::Tensor>& maps, const at::Tensor& rois,
                        const MultilevelRoiAlignOptions& options) {
    return ErrorMessage([&] { MultilevelRoiAlign(maps, rois, options); });
  };
  std::vector<at::Tensor> maps = Maps(at::kFloat);
  EXPECT_THAT(error({}, Rois(), Options()), StartsWith("features:"));
  MultilevelRoiAlignOptions three = Options();
  three.spatial_scales.pop_back();
  EXPECT_THAT(error(maps, Rois(), three), StartsWith("spatial_scales: expected one per map, 4"));
  MultilevelRoiAlignOptions negative = Options();
  negative.spatial_scales[2] = -1;
  EXPECT_THAT(error(maps, Rois(), negative), StartsWith("spatial_scale:"));
  EXPECT_THAT(error(maps, at::zeros({2, 4}), Options()), StartsWith("rois:"));
  EXPECT_THAT(error(maps, at::full({1, 5}, 7.0), Options()), StartsWith("rois: row 0"));
  maps[2] = maps[2].to(at::kDouble);
  EXPECT_THAT(error(maps, Rois(), Options()), StartsWith("features[2]:"));
  maps[2] = at::zeros({2, 34, 20, 20});
  EXPECT_THAT(error(maps, Rois(), Options()), AllOf(StartsWith("features[2]:"), HasSubstr("34")));
  maps[2] = at::zeros({20, 20});
  EXPECT_THAT(error(maps, Rois(), Options()), StartsWith("features[2]:"));
}

}  // namespace
}  // namespace rcnn::ops

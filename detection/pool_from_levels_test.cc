// RoIPool and RoIAlign from one map and from a pyramid, against plain references, and in which
// type.

#include "rcnn/detection/pool_from_levels.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/autocast_scope.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/testing/roi_cases.h"
#include "rcnn/detection/testing/slow_layers.h"
#include "rcnn/ops/error_message.h"
#include "rcnn/ops/testing/queue_device.h"

namespace rcnn::detection {
namespace {

using ::testing::HasSubstr;

at::Generator Generator(uint64_t seed) { return at::detail::createCPUGenerator(seed); }

configs::RoiPoolingConfig Pooling(const std::string& text) {
  return configs::ParseTextOrDie<configs::RoiPoolingConfig>(text);
}

std::vector<FeatureLevel> OneLevel() { return {{kRoiMapChannels, 16}}; }

TEST(PoolFromLevelsTest, RoiPoolTakesTheMaximumOfBins) {
  for (const int64_t size : {3, 7}) {
    const at::Tensor pooled = PoolFromLevels({RoiMaps()}, OneLevel(), RoisOfMaps(),
                                             Pooling(absl::StrCat("roi_pool {} size: ", size)));
    EXPECT_TRUE(Near(pooled, SlowRoiPool(RoiMaps(), RoisOfMaps(), size, kRoiMapStride), 1e-6));
  }
}

// On a map that is linear in x and y, RoIAlign gives the value at the middle of a bin:
// bilinear interpolation of a plane is the plane, and samples lie around the middle.
TEST(PoolFromLevelsTest, RoiAlignReadsTheMiddleOfBins) {
  const at::Tensor x = at::arange(20, at::kFloat).view({1, 20}).expand({20, 20});
  const at::Tensor y = at::arange(20, at::kFloat).view({20, 1}).expand({20, 20});
  const at::Tensor map = at::stack({x, y, x + 10 * y, x * 0 + 3}).unsqueeze(0);
  const at::Tensor roi = at::tensor({0.f, 40.f, 64.f, 200.f, 224.f}).view({1, 5});
  for (const auto& [options, shift] : {std::pair("", 0.5), std::pair("sampling_ratio: 2", 0.5),
                                       std::pair("half_pixel_centers: false", 0.0)}) {
    SCOPED_TRACE(options);
    const at::Tensor pooled = PoolFromLevels(
        {map}, OneLevel(), roi, Pooling(absl::StrCat("roi_align { ", options, " } size: 5")));
    for (int64_t i = 0; i < 5; ++i) {
      const double along_x = 40 / kRoiMapStride + 160 / kRoiMapStride * (i + 0.5) / 5 - shift;
      const double along_y = 64 / kRoiMapStride + 160 / kRoiMapStride * (i + 0.5) / 5 - shift;
      EXPECT_NEAR(pooled[0][0][2][i].item<double>(), along_x, 1e-4);
      EXPECT_NEAR(pooled[0][1][i][2].item<double>(), along_y, 1e-4);
      EXPECT_NEAR(pooled[0][2][i][i].item<double>(), along_x + 10 * along_y, 1e-3);
      EXPECT_NEAR(pooled[0][3][i][0].item<double>(), 3, 1e-5);
    }
  }
}

// What is pooled from maps of bfloat16, and their gradients if it is differentiated by the same
// numbers in the type of the result.
struct PooledShort {
  at::Tensor pooled;
  std::vector<at::Tensor> gradients;
};

PooledShort PoolShort(const std::vector<at::Tensor>& maps, const std::vector<FeatureLevel>& levels,
                      const configs::RoiPoolingConfig& config, bool autocast) {
  const at::Device device = maps.front().device();
  const at::Tensor rois = RoisOfMaps().to(device);
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& map : maps) leaves.push_back(map.detach().requires_grad_());
  ops::testing::TakeWaits();
  PooledShort result;
  {
    std::optional<AutocastScope> scope;
    if (autocast) scope.emplace(device.type(), at::kBFloat16);
    result.pooled = PoolFromLevels(leaves, levels, rois, config);
  }
  EXPECT_THAT(ops::testing::TakeWaits(), ::testing::IsEmpty());
  const at::Tensor grad =
      at::randn(result.pooled.sizes(), Generator(5)).to(at::kBFloat16).to(device);
  result.pooled.backward(grad.to(result.pooled.scalar_type()));
  for (const at::Tensor& leaf : leaves) result.gradients.push_back(leaf.grad().cpu());
  result.pooled = result.pooled.detach().cpu();
  return result;
}

// Pools from one or two maps of bfloat16 by `pool`, on the CPU and on a device. The device gives
// the numbers and gradients of the CPU, rounded to `type` under autocast.
void ExpectNumbersOfTheCpu(const std::string& pool, size_t num_maps, at::ScalarType type) {
  SCOPED_TRACE(absl::StrCat(pool, " of ", num_maps));
  std::vector<FeatureLevel> levels = {{kRoiMapChannels, 16}, {kRoiMapChannels, 32}};
  std::vector<at::Tensor> maps = {RoiMaps(), at::randn({2, kRoiMapChannels, 4, 5}, Generator(8))},
                          far;
  levels.resize(num_maps);
  maps.resize(num_maps);
  for (at::Tensor& map : maps) {
    map = map.to(at::kBFloat16);
    far.push_back(map.to(ops::testing::QueueDevice()));
  }
  const configs::RoiPoolingConfig config = Pooling(pool + " size: 3");
  const PooledShort on_cpu = PoolShort(maps, levels, config, /*autocast=*/true);
  const PooledShort plain = PoolShort(far, levels, config, /*autocast=*/false);
  const PooledShort rounded = PoolShort(far, levels, config, /*autocast=*/true);
  EXPECT_EQ(on_cpu.pooled.scalar_type(), at::kFloat);
  EXPECT_TRUE(plain.pooled.equal(on_cpu.pooled));
  EXPECT_EQ(rounded.pooled.scalar_type(), type);
  EXPECT_TRUE(rounded.pooled.equal(on_cpu.pooled.to(type)));
  for (size_t i = 0; i < num_maps; ++i) {
    EXPECT_EQ(rounded.gradients[i].scalar_type(), at::kBFloat16);
    EXPECT_TRUE(rounded.gradients[i].equal(on_cpu.gradients[i]));
    EXPECT_TRUE(plain.gradients[i].equal(on_cpu.gradients[i]));
  }
}

// Under autocast; the CPU and a device without autocast compute from a copy in float32.
TEST(PoolFromLevelsTest, RoiAlignReadsShortMapsOfADevice) {
  for (const size_t num_maps : {1, 2}) {
    ExpectNumbersOfTheCpu("roi_align { sampling_ratio: 2 }", num_maps, at::kBFloat16);
  }
}

TEST(PoolFromLevelsTest, RoiPoolReadsACopyOfShortMapsInFloat32) {
  ExpectNumbersOfTheCpu("roi_pool {}", 1, at::kFloat);
}

// Lin et al., Eq. 1: a RoI of 224 px is read at stride 16, and half the side one finer.
TEST(PoolFromLevelsTest, APyramidIsReadAtTheLevelOfTheRoisSize) {
  std::vector<at::Tensor> maps;
  std::vector<FeatureLevel> levels;
  for (int64_t i = 0; i < 4; ++i) {
    levels.push_back({1, int64_t{4} << i});
    maps.push_back(at::full({1, 1, 256 >> i, 256 >> i}, static_cast<double>(i), at::kFloat));
  }
  maps.push_back(at::full({1, 1, 16, 16}, 99.f));  // of the RPN alone
  const auto level = [&](float side) {
    const at::Tensor roi = at::tensor({0.f, 100.f, 100.f, 100.f + side, 100.f + side}).view({1, 5});
    const at::Tensor pooled = PoolFromLevels(maps, levels, roi, Pooling(""));
    const double mean = pooled.mean().item<double>(), value = std::round(mean);
    EXPECT_TRUE(Near(pooled, at::full_like(pooled, value), 1e-6)) << side;
    return value;
  };
  EXPECT_EQ(level(20), 0);
  EXPECT_EQ(level(111), 0);
  EXPECT_EQ(level(113), 1);
  EXPECT_EQ(level(223), 1);
  EXPECT_EQ(level(225), 2);
  EXPECT_EQ(level(447), 2);
  EXPECT_EQ(level(449), 3);
  EXPECT_EQ(level(900), 3);
}

TEST(PoolFromLevelsTest, FewerMapsThanLevelsAreAnError) {
  EXPECT_THAT(ops::ErrorMessage([] { PoolFromLevels({}, OneLevel(), RoisOfMaps(), Pooling("")); }),
              HasSubstr("head: 0 maps for 1 level"));
}

}  // namespace
}  // namespace rcnn::detection

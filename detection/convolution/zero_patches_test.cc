#include "rcnn/detection/convolution/zero_patches.h"

#include <ATen/ATen.h>

#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/testing/instruction_levels.h"

namespace rcnn::detection {
namespace {

ZeroPixels FindZeros(const at::Tensor& x) {
  return {x.data_ptr<float>(), {x.size(0), x.size(1), x.size(2), x.size(3)}};
}

// Applies FixPatches to a map of sevens.
at::Tensor Settled(const at::Tensor& x, const at::Tensor& bias, int64_t out_channels) {
  at::Tensor y = at::full({x.size(0), out_channels, x.size(2), x.size(3)}, 7.0F);
  FindZeros(x).FixPatches(bias.defined() ? bias.data_ptr<float>() : nullptr, out_channels,
                          y.data_ptr<float>());
  return y;
}

// By definition: the outputs for which every input within one pixel is zero.
at::Tensor Expected(const at::Tensor& x, const at::Tensor& bias, int64_t out_channels) {
  const at::Tensor near =
      at::max_pool2d((x != 0).any(1, /*keepdim=*/true).to(at::kFloat), {3, 3}, {1, 1}, {1, 1});
  const at::Tensor to = bias.defined() ? bias : at::zeros({out_channels});
  return at::where(near.gt(0), at::full({}, 7.0F), to.view({1, -1, 1, 1}));
}

at::Tensor SparseMap(at::IntArrayRef shape, double share) {
  auto generator = at::detail::createCPUGenerator(5);
  return at::randn(shape, generator) * at::rand(shape, generator).lt(share);
}

class ZeroPixelsLevelTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, ZeroPixelsLevelTest, LevelsFrom(InstructionLevel::kPortable),
                         LevelName);

TEST_P(ZeroPixelsLevelTest, SetsOnlyZeroPatches) {
  const at::Tensor bias = at::arange(1, 6).to(at::kFloat);
  for (const double share : {0.0, 0.001, 0.01, 0.2}) {
    const at::Tensor x = SparseMap({2, 11, 19, 150}, share);
    EXPECT_TRUE(Settled(x, bias, 5).equal(Expected(x, bias, 5))) << share;
    EXPECT_TRUE(Settled(x, {}, 3).equal(Expected(x, {}, 3))) << share;
  }
}

TEST(ZeroPixelsTest, SeesTheLastChannelAndMinusZero) {
  at::Tensor x = at::zeros({1, 40, 5, 9});
  x[0][39][2][4] = 1e-45F;  // the smallest there is
  x[0][3][0][0] = -0.0F;
  const at::Tensor y = Settled(x, {}, 1);
  EXPECT_EQ(y.eq(7).sum().item<int64_t>(), 9);
  EXPECT_EQ(y[0][0][0][0].item<float>(), 0);
}

// By definition, on maps of whole tiles and of others.
TEST_P(ZeroPixelsLevelTest, FindsTilesWithValues) {
  for (const auto& [height, width] : {std::pair(16, 152), std::pair(19, 150)}) {
    for (const int64_t halo : {0, 1}) {
      for (const double share : {0.0, 0.001, 0.01, 1.0}) {
        const at::Tensor x = SparseMap({2, 11, height, width}, share);
        const int64_t below = halo + (4 - height % 4) % 4, right = halo + (4 - width % 4) % 4;
        const at::Tensor values =
            at::constant_pad_nd((x != 0).any(1).to(at::kFloat), {halo, right, halo, below});
        const at::Tensor tiles = at::max_pool2d(values, {4 + 2 * halo, 4 + 2 * halo}, {4, 4});
        const at::Tensor expected = tiles.flatten().nonzero().squeeze(1);
        const std::vector<int64_t> found = FindZeros(x).FindTiles(halo);
        EXPECT_EQ(found, std::vector<int64_t>(expected.data_ptr<int64_t>(),
                                              expected.data_ptr<int64_t>() + expected.numel()))
            << share << " " << halo;
      }
    }
  }
}

TEST(ZeroPixelsTest, TakesEmptyMaps) {
  EXPECT_EQ(Settled(at::zeros({0, 2, 3, 4}), {}, 1).numel(), 0);
  EXPECT_EQ(Settled(at::zeros({1, 2, 3, 0}), {}, 1).numel(), 0);
  EXPECT_TRUE(FindZeros(at::zeros({1, 2, 3, 0})).FindTiles(1).empty());
}

}  // namespace
}  // namespace rcnn::detection

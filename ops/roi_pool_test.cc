#include "rcnn/ops/roi_pool.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/ops/error_message.h"
#include "rcnn/ops/testing/random_rois.h"
#include "rcnn/ops/testing/torchvision.h"

namespace rcnn::ops {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::RandomMap;
using testing::RandomRois;
using ::testing::StartsWith;

constexpr RoiPoolOptions kOptions{3, 4, 0.25};

// Maximum over the rows and columns of bin (i, j), by the formula of the header.
double ReferenceBin(const at::TensorAccessor<double, 2>& map, const double* box, int64_t i,
                    int64_t j) {
  const auto range = [](double begin, double end, int64_t bin, int64_t bins, int64_t size) {
    const int64_t first = std::llround(begin * kOptions.spatial_scale);
    const int64_t last = std::llround(end * kOptions.spatial_scale);
    const double length = std::max<int64_t>(last - first + 1, 1) / static_cast<double>(bins);
    return std::make_pair(
        std::clamp<int64_t>(first + static_cast<int64_t>(std::floor(bin * length)), 0, size),
        std::clamp<int64_t>(first + static_cast<int64_t>(std::ceil((bin + 1) * length)), 0, size));
  };
  const auto [top, bottom] = range(box[2], box[4], i, kOptions.pooled_height, map.size(0));
  const auto [left, right] = range(box[1], box[3], j, kOptions.pooled_width, map.size(1));
  double best = -std::numeric_limits<double>::infinity();
  for (int64_t y = top; y < bottom; ++y) {
    for (int64_t x = left; x < right; ++x) best = std::max(best, map[y][x]);
  }
  return top >= bottom || left >= right ? 0 : best;
}

at::Tensor Reference(const at::Tensor& input, const at::Tensor& rois) {
  const at::Tensor maps = input.to(at::kDouble).contiguous();
  const auto map = maps.accessor<double, 4>();
  const double* roi = rois.data_ptr<double>();
  at::Tensor output = at::empty({rois.size(0), input.size(1), 3, 4}, at::kDouble);
  auto out = output.accessor<double, 4>();
  for (int64_t r = 0; r < rois.size(0); ++r, roi += 5) {
    for (int64_t c = 0; c < input.size(1); ++c) {
      for (int64_t bin = 0; bin < 12; ++bin) {
        out[r][c][bin / 4][bin % 4] =
            ReferenceBin(map[static_cast<int64_t>(roi[0])][c], roi, bin / 4, bin % 4);
      }
    }
  }
  return output;
}

// Hand-made corner cases: off the map on each side, at its edges, of no size, larger than the map,
// on halves.
at::Tensor AwkwardRois() {
  return at::tensor({0., -90., -90., -50., -50., 0., 60., 40., 70., 50., 1., 10., 10., 10., 10.,
                     1., -4.,  -4.,  56.,  44.,  0., 3.,  5.,  3.,  20., 1., 0.,  0.,  52., 40.,
                     0., -1e4, -1e4, 1e4,  1e4,  1., 2.,  6.,  10., 14., 1., -2., -6., 10., 14.},
                    at::kDouble)
      .view({9, 5});
}

at::Tensor ManyRois() { return at::cat({RandomRois({20, 2, 40, 52, 8}, 7), AwkwardRois()}); }

at::Tensor Gradient(const at::Tensor& input, const at::Tensor& rois, const at::Tensor& grad) {
  const at::Tensor leaf = input.detach().requires_grad_(true);
  return torch::autograd::grad({RoiPool(leaf, rois, kOptions)}, {leaf}, {grad})[0];
}

class RoiPoolLevelTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, RoiPoolLevelTest, LevelsFrom(InstructionLevel::kPortable),
                         LevelName);

TEST_P(RoiPoolLevelTest, EqualsTheDefinition) {
  for (const int64_t channels : {1, 16, 35}) {
    const at::Tensor map = RandomMap({2, channels, 10, 13}, at::kDouble, channels);
    EXPECT_TRUE(at::equal(RoiPool(map, ManyRois(), kOptions), Reference(map, ManyRois())));
    const at::Tensor rounded = map.to(at::kFloat);
    EXPECT_TRUE(at::equal(RoiPool(rounded, ManyRois(), kOptions),
                          Reference(rounded, ManyRois()).to(at::kFloat)));
  }
}

TEST(RoiPoolTest, FirstOfEqualMaximaGetsTheGradient) {
  const at::Tensor map = at::zeros({1, 1, 4, 4});
  const at::Tensor roi = at::tensor({0., 0., 0., 3., 3.}).view({1, 5});
  const at::Tensor leaf = map.requires_grad_(true);
  RoiPool(leaf, roi, {2, 2, 1.0}).sum().backward();
  const at::Tensor expected = at::zeros({1, 1, 4, 4});
  for (const int64_t y : {0, 2}) {
    for (const int64_t x : {0, 2}) expected[0][0][y][x] = 1;
  }
  EXPECT_TRUE(at::equal(leaf.grad(), expected));
}

TEST(RoiPoolTest, BinsOffTheMapAreZeroAndHaveNoGradient) {
  const at::Tensor map = at::full({1, 2, 4, 4}, -5.0f);
  const at::Tensor roi = at::tensor({0., -40., -40., -30., -30.}).view({1, 5});
  EXPECT_TRUE(at::equal(RoiPool(map, roi, kOptions), at::zeros({1, 2, 3, 4})));
  EXPECT_TRUE(at::equal(Gradient(map, roi, at::ones({1, 2, 3, 4})), at::zeros_like(map)));
}

TEST(RoiPoolTest, InfinityAndNanReachTheirBins) {
  const float infinity = std::numeric_limits<float>::infinity();
  const at::Tensor roi = at::tensor({0., 0., 0., 3., 3.}).view({1, 5});
  const at::Tensor low = at::full({1, 1, 4, 4}, -infinity);
  EXPECT_TRUE(at::equal(RoiPool(low, roi, {2, 2, 1.0}), low.slice(2, 0, 2).slice(3, 0, 2)));
  for (const int64_t at_x : {0, 1}) {
    at::Tensor map = at::ones({1, 1, 4, 4});
    map[0][0][1][at_x] = NAN;
    const at::Tensor pooled = RoiPool(map, roi, {2, 2, 1.0});
    EXPECT_TRUE(std::isnan(pooled[0][0][0][0].item<float>()));
    EXPECT_EQ(pooled.isnan().sum().item<int64_t>(), 1);
  }
}

TEST(RoiPoolTest, LayoutChangesNoBit) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kBFloat16}) {
    const at::Tensor map = RandomMap({2, 35, 10, 13}, dtype, 3);
    const at::Tensor channels_last = map.contiguous(at::MemoryFormat::ChannelsLast);
    const at::Tensor planes = RoiPool(map, ManyRois(), kOptions);
    const at::Tensor pixels = RoiPool(channels_last, ManyRois(), kOptions);
    EXPECT_TRUE(at::equal(planes, pixels)) << dtype;
    EXPECT_TRUE(planes.is_contiguous());
    EXPECT_TRUE(pixels.is_contiguous(at::MemoryFormat::ChannelsLast));
    const at::Tensor grad = RandomMap(planes.sizes(), dtype, 5);
    const at::Tensor of_planes = Gradient(map, ManyRois(), grad);
    EXPECT_TRUE(at::equal(of_planes, Gradient(channels_last, ManyRois(), grad))) << dtype;
    EXPECT_TRUE(at::equal(
        of_planes, Gradient(map, ManyRois(), grad.contiguous(at::MemoryFormat::ChannelsLast))));
  }
}

TEST(RoiPoolTest, OneRoiAtATimeChangesNoBit) {
  const at::Tensor map = RandomMap({2, 35, 10, 13}, at::kFloat, 3);
  const at::Tensor together = RoiPool(map, ManyRois(), kOptions);
  for (int64_t r = 0; r < together.size(0); ++r) {
    EXPECT_TRUE(at::equal(together.slice(0, r, r + 1),
                          RoiPool(map, ManyRois().slice(0, r, r + 1), kOptions)))
        << "RoI " << r;
  }
}

TEST(RoiPoolTest, WithAndWithoutGradientIsTheSame) {
  const at::Tensor map = RandomMap({2, 35, 10, 13}, at::kFloat, 3);
  EXPECT_TRUE(at::equal(RoiPool(map, ManyRois(), kOptions),
                        RoiPool(map.detach().requires_grad_(true), ManyRois(), kOptions)));
}

// A step smaller than the gaps between values moves no maximum, so the difference is exact but for
// rounding.
TEST(RoiPoolTest, GradientEqualsFiniteDifferences) {
  const at::Tensor map = at::randperm(80, at::kDouble).view({2, 2, 4, 5});
  const at::Tensor rois = at::cat({RandomRois({5, 2, 16, 20, 6}, 7), AwkwardRois()});
  const at::Tensor grad = RandomMap({rois.size(0), 2, 3, 4}, at::kDouble, 13);
  const at::Tensor analytic = Gradient(map, rois, grad).view(-1);
  for (int64_t i = 0; i < map.numel(); ++i) {
    const at::Tensor step = at::zeros(map.numel(), at::kDouble);
    step[i] = 0.25;
    const at::Tensor up = RoiPool(map + step.view_as(map), rois, kOptions);
    const at::Tensor down = RoiPool(map - step.view_as(map), rois, kOptions);
    EXPECT_NEAR(analytic[i].item<double>(), 2 * ((up - down) * grad).sum().item<double>(), 1e-10);
  }
}

TEST(RoiPoolTest, PermutedRoisGivePermutedResults) {
  const at::Tensor map = RandomMap({2, 35, 10, 13}, at::kFloat, 3);
  const at::Tensor order = at::arange(ManyRois().size(0) - 1, -1, -1, at::kLong);
  EXPECT_TRUE(at::equal(RoiPool(map, ManyRois().index_select(0, order), kOptions),
                        RoiPool(map, ManyRois(), kOptions).index_select(0, order)));
}

TEST(RoiPoolTest, ThreadsChangeNoBit) {
  const at::Tensor map = RandomMap({2, 96, 10, 13}, at::kFloat, 3);
  const at::Tensor grad = RandomMap({ManyRois().size(0), 96, 3, 4}, at::kFloat, 31);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor backward = Gradient(map, ManyRois(), grad);
  for (const int more : {2, 3, 5}) {
    at::set_num_threads(more);
    EXPECT_TRUE(at::equal(Gradient(map, ManyRois(), grad), backward));
  }
  at::set_num_threads(threads);
}

TEST(RoiPoolTest, EqualsTorchvision) {
  RCNN_SKIP_WITHOUT_TORCHVISION();
  const testing::TorchvisionRoiOptions theirs{kOptions.spatial_scale, 3, 4};
  const at::Tensor rois =
      at::cat({RandomRois({200, 2, 40, 52, 8}, 17), AwkwardRois()}).to(at::kFloat);
  const at::Tensor map = RandomMap({2, 35, 10, 13}, at::kFloat, 3);
  const auto [expected, argmax] = testing::TorchvisionRoiPool(map, rois, theirs);
  EXPECT_TRUE(at::equal(RoiPool(map, rois, kOptions), expected));
  const at::Tensor grad = RandomMap(expected.sizes(), at::kFloat, 19);
  const at::Tensor back =
      testing::TorchvisionRoiPoolBackward(grad, rois, argmax, theirs, map.sizes());
  EXPECT_LE((Gradient(map, rois, grad) - back).abs().max().item<double>(),
            1e-5 * back.abs().max().item<double>());
}

TEST(RoiPoolTest, EmptyInputGivesEmptyOutput) {
  const at::Tensor none = at::empty({0, 5});
  for (const auto& map : {at::ones({2, 3, 8, 8}), at::ones({0, 3, 8, 8}), at::ones({1, 3, 0, 8})}) {
    EXPECT_EQ(RoiPool(map, none, kOptions).sizes(), at::IntArrayRef({0, 3, 3, 4}));
    EXPECT_TRUE(at::equal(Gradient(map, none, at::empty({0, 3, 3, 4})), at::zeros_like(map)));
  }
  EXPECT_EQ(RoiPool(at::ones({1, 0, 8, 8}), at::zeros({4, 5}), kOptions).sizes(),
            at::IntArrayRef({4, 0, 3, 4}));
}

TEST(RoiPoolTest, SecondDerivativeThrows) {
  const at::Tensor map = at::ones({1, 1, 8, 8}).requires_grad_(true);
  const at::Tensor roi = at::tensor({0., 0., 0., 8., 8.}).view({1, 5});
  const at::Tensor loss = RoiPool(map, roi, {}).square().sum();
  const at::Tensor first = torch::autograd::grad({loss}, {map}, {}, true, true)[0];
  EXPECT_THAT(ErrorMessage([&] { torch::autograd::grad({first.sum()}, {map}); }),
              HasSubstr("the gradient of roi_pool cannot be differentiated again"));
}

TEST(RoiPoolTest, MetaTensorsGiveTheShape) {
  const at::Tensor map = at::empty({2, 3, 8, 8}, at::TensorOptions(at::kMeta));
  const at::Tensor rois = at::empty({6, 5}, at::TensorOptions(at::kMeta));
  EXPECT_EQ(RoiPool(map, rois, kOptions).sizes(), at::IntArrayRef({6, 3, 3, 4}));
}

TEST(RoiPoolTest, ErrorsNameTheArgumentAndTheRow) {
  const at::Tensor map = at::ones({2, 3, 8, 8});
  const at::Tensor good = at::zeros({1, 5});
  const auto error = [](const at::Tensor& input, const at::Tensor& rois,
                        const RoiPoolOptions& options) {
    return ErrorMessage([&] { RoiPool(input, rois, options); });
  };
  const at::Tensor flipped = at::tensor({0., 0., 0., 1., 1., 1., 5., 1., 4., 2.}).view({2, 5});
  EXPECT_THAT(error(at::ones({8, 8}), good, {}), AllOf(StartsWith("input:"), HasSubstr("[8, 8]")));
  EXPECT_THAT(error(map.to(at::kByte), good, {}), AllOf(StartsWith("input:"), HasSubstr("uint8")));
  EXPECT_THAT(error(at::ones({1, 3, 0, 0}), good, {}), StartsWith("input:"));
  EXPECT_THAT(error(map, at::zeros({4}), {}), StartsWith("rois:"));
  EXPECT_THAT(error(map, flipped, {}), StartsWith("rois: row 1 is (1, 5, 1, 4, 2): x2 < x1"));
  EXPECT_THAT(error(map, at::full({1, 5}, 2.0), {}), HasSubstr("image index"));
  EXPECT_THAT(error(map, good, {0, 7, 1.0}), StartsWith("pooled_height:"));
  EXPECT_THAT(error(map, good, {7, 7, -1.0}), StartsWith("spatial_scale:"));
}

}  // namespace
}  // namespace rcnn::ops

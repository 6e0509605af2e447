#include "rcnn/ops/roi_align.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <limits>

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
using ::testing::TestWithParam;

constexpr double kScale = 0.25;

double Bilinear(const at::TensorAccessor<double, 2>& map, double y, double x) {
  const int64_t height = map.size(0);
  const int64_t width = map.size(1);
  if (y < -1 || y > height || x < -1 || x > width) return 0;
  y = std::clamp(y, 0.0, height - 1.0);
  x = std::clamp(x, 0.0, width - 1.0);
  const int64_t top = static_cast<int64_t>(y);
  const int64_t left = static_cast<int64_t>(x);
  const int64_t bottom = std::min(top + 1, height - 1);
  const int64_t right = std::min(left + 1, width - 1);
  const double fy = y - top;
  const double fx = x - left;
  return (1 - fy) * ((1 - fx) * map[top][left] + fx * map[top][right]) +
         fy * ((1 - fx) * map[bottom][left] + fx * map[bottom][right]);
}

struct Axis {
  double start;
  double bin;
  int64_t samples;
  double At(int64_t b, int64_t i) const { return start + b * bin + (i + 0.5) * bin / samples; }
};

Axis ReferenceAxis(double begin, double end, int64_t bins, const RoiAlignOptions& options) {
  const double offset = options.aligned ? 0.5 : 0.0;
  double length = (end - begin) * options.spatial_scale;
  if (!options.aligned) length = std::max(length, 1.0);
  const int64_t samples = options.sampling_ratio > 0
                              ? options.sampling_ratio
                              : static_cast<int64_t>(std::ceil(length / bins));
  return {begin * options.spatial_scale - offset, length / bins, samples};
}

double ReferenceBin(const at::TensorAccessor<double, 2>& map, const Axis& y, const Axis& x,
                    int64_t row, int64_t column) {
  double sum = 0;
  for (int64_t i = 0; i < y.samples; ++i) {
    for (int64_t j = 0; j < x.samples; ++j) sum += Bilinear(map, y.At(row, i), x.At(column, j));
  }
  return sum / std::max<int64_t>(y.samples * x.samples, 1);
}

// The definition, sample by sample.
at::Tensor Reference(const at::Tensor& input, const at::Tensor& rois,
                     const RoiAlignOptions& options) {
  const at::Tensor maps = input.to(at::kDouble).contiguous();
  const at::Tensor boxes = rois.to(at::kDouble).contiguous();
  const auto map = maps.accessor<double, 4>();
  const auto roi = boxes.accessor<double, 2>();
  at::Tensor output = at::zeros(
      {rois.size(0), input.size(1), options.pooled_height, options.pooled_width}, at::kDouble);
  auto out = output.accessor<double, 4>();
  for (int64_t r = 0; r < rois.size(0); ++r) {
    const Axis x = ReferenceAxis(roi[r][1], roi[r][3], options.pooled_width, options);
    const Axis y = ReferenceAxis(roi[r][2], roi[r][4], options.pooled_height, options);
    for (int64_t c = 0; c < input.size(1); ++c) {
      for (int64_t i = 0; i < options.pooled_height; ++i) {
        for (int64_t j = 0; j < options.pooled_width; ++j) {
          out[r][c][i][j] = ReferenceBin(map[static_cast<int64_t>(roi[r][0])][c], y, x, i, j);
        }
      }
    }
  }
  return output;
}

double MaxDifference(const at::Tensor& a, const at::Tensor& b) {
  if (a.numel() == 0) return 0;
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

at::Tensor Gradient(const at::Tensor& input, const at::Tensor& rois, const RoiAlignOptions& options,
                    const at::Tensor& grad) {
  const at::Tensor leaf = input.detach().requires_grad_(true);
  return torch::autograd::grad({RoiAlign(leaf, rois, options)}, {leaf}, {grad})[0];
}

// Hand-made corner cases: off the map on each side, touching its edges, of no size, much larger
// than the map.
at::Tensor AwkwardRois() {
  return at::tensor({0.,  -9., -9., -5.,  -5.,  0.,  60., 40., 70.,  50., 1.,   10., 10., 10.,
                     10., 1.,  -4., -4.,  56.,  44., 0.,  3.,  5.,   3.,  20.,  1.,  0.,  0.,
                     52., 40., 0.,  -1e3, -1e3, 1e3, 1e3, 1.,  51.9, 0.,  52.1, 1.},
                    at::kDouble)
      .view({8, 5});
}

struct Case {
  int64_t sampling_ratio;
  bool aligned;
  int64_t channels;
};

class RoiAlignCaseTest : public TestWithParam<Case> {
 protected:
  RoiAlignOptions Options() const {
    return {3, 4, kScale, GetParam().sampling_ratio, GetParam().aligned};
  }
  at::Tensor Rois() const { return at::cat({RandomRois({12, 2, 40, 52, 8}, 7), AwkwardRois()}); }
  at::Tensor Map(at::ScalarType dtype) const {
    return RandomMap({2, GetParam().channels, 10, 13}, dtype, 3);
  }
};

TEST_P(RoiAlignCaseTest, EqualsTheDefinition) {
  const at::Tensor map = Map(at::kDouble);
  EXPECT_LT(MaxDifference(RoiAlign(map, Rois(), Options()), Reference(map, Rois(), Options())),
            1e-10);
}

TEST_P(RoiAlignCaseTest, LayoutChangesNoBit) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kBFloat16}) {
    const at::Tensor map = Map(dtype);
    const at::Tensor channels_last = map.contiguous(at::MemoryFormat::ChannelsLast);
    const at::Tensor planes = RoiAlign(map, Rois(), Options());
    const at::Tensor pixels = RoiAlign(channels_last, Rois(), Options());
    EXPECT_TRUE(at::equal(planes, pixels)) << dtype;
    EXPECT_TRUE(planes.is_contiguous());
    EXPECT_EQ(pixels.suggest_memory_format(), channels_last.suggest_memory_format());
    const at::Tensor grad = RandomMap(planes.sizes(), dtype, 5);
    const at::Tensor of_planes = Gradient(map, Rois(), Options(), grad);
    const at::Tensor of_pixels =
        Gradient(channels_last, Rois(), Options(), grad.contiguous(at::MemoryFormat::ChannelsLast));
    EXPECT_TRUE(at::equal(of_planes, of_pixels)) << dtype;
    EXPECT_EQ(of_pixels.suggest_memory_format(), channels_last.suggest_memory_format());
  }
}

TEST_P(RoiAlignCaseTest, OneRoiAtATimeChangesNoBit) {
  const at::Tensor map = Map(at::kFloat);
  const at::Tensor rois = Rois();
  const at::Tensor together = RoiAlign(map, rois, Options());
  for (int64_t r = 0; r < rois.size(0); ++r) {
    EXPECT_TRUE(
        at::equal(together.slice(0, r, r + 1), RoiAlign(map, rois.slice(0, r, r + 1), Options())))
        << "RoI " << r;
  }
}

// RoIAlign is linear, so a central difference is exact but for rounding.
TEST_P(RoiAlignCaseTest, GradientEqualsFiniteDifferences) {
  const at::Tensor map = RandomMap({2, 2, 4, 5}, at::kDouble, 11);
  const at::Tensor rois = at::cat({RandomRois({5, 2, 16, 20, 6}, 7), AwkwardRois()});
  const at::Tensor grad = RandomMap(RoiAlign(map, rois, Options()).sizes(), at::kDouble, 13);
  const at::Tensor analytic = Gradient(map, rois, Options(), grad).view(-1);
  for (int64_t i = 0; i < map.numel(); ++i) {
    const at::Tensor step = at::zeros(map.numel(), at::kDouble);
    step[i] = 0.5;
    const at::Tensor up = RoiAlign(map + step.view_as(map), rois, Options());
    const at::Tensor down = RoiAlign(map - step.view_as(map), rois, Options());
    EXPECT_NEAR(analytic[i].item<double>(), ((up - down) * grad).sum().item<double>(), 1e-10);
  }
}

TEST_P(RoiAlignCaseTest, BfloatIsTheRoundedResultOfItsValues) {
  const at::Tensor map = Map(at::kBFloat16);
  const at::Tensor exact = RoiAlign(map.to(at::kFloat), Rois(), Options());
  EXPECT_TRUE(at::equal(RoiAlign(map, Rois(), Options()), exact.to(at::kBFloat16)));
}

TEST_P(RoiAlignCaseTest, EqualsTorchvision) {
  RCNN_SKIP_WITHOUT_TORCHVISION();
  const RoiAlignOptions options = Options();
  const testing::TorchvisionRoiOptions theirs{kScale, options.pooled_height, options.pooled_width,
                                              options.sampling_ratio, options.aligned};
  const at::Tensor rois =
      at::cat({RandomRois({40, 2, 40, 52, 8}, 17), AwkwardRois()}).to(at::kFloat);
  const at::Tensor map = Map(at::kFloat);
  const at::Tensor expected = testing::TorchvisionRoiAlign(map, rois, theirs);
  EXPECT_LE(MaxDifference(RoiAlign(map, rois, options), expected),
            1e-5 * expected.abs().max().item<double>());
  const at::Tensor grad = RandomMap(expected.sizes(), at::kFloat, 19);
  const at::Tensor back = testing::TorchvisionRoiAlignBackward(grad, rois, theirs, map.sizes());
  EXPECT_LE(MaxDifference(Gradient(map, rois, options, grad), back),
            1e-5 * back.abs().max().item<double>());
}

INSTANTIATE_TEST_SUITE_P(Grids, RoiAlignCaseTest,
                         ::testing::Values(Case{0, true, 5}, Case{0, false, 32}, Case{1, true, 40},
                                           Case{2, false, 64}, Case{2, true, 1}, Case{3, true, 33}),
                         [](const auto& info) {
                           return "Ratio" + std::to_string(info.param.sampling_ratio) +
                                  (info.param.aligned ? "Aligned" : "Legacy") + "Channels" +
                                  std::to_string(info.param.channels);
                         });

TEST(RoiAlignTest, LinearRampIsTheRampAtTheCentresOfBins) {
  const at::Tensor x = at::arange(20, at::kDouble) + 0.5;
  const at::Tensor y = at::arange(16, at::kDouble).unsqueeze(1) + 0.5;
  const at::Tensor ramp = (2 * x + 3 * y - 7).view({1, 1, 16, 20});
  const at::Tensor roi = at::tensor({0., 8., 12., 64., 48.}, at::kDouble).view({1, 5});
  for (const int64_t ratio : {0, 1, 2, 5}) {
    const at::Tensor pooled = RoiAlign(ramp, roi, {4, 7, kScale, ratio, true});
    for (int64_t i = 0; i < 4; ++i) {
      for (int64_t j = 0; j < 7; ++j) {
        const double at_x = 2 + (j + 0.5) * 14 / 7;
        const double at_y = 3 + (i + 0.5) * 9 / 4;
        EXPECT_NEAR(pooled[0][0][i][j].item<double>(), 2 * at_x + 3 * at_y - 7, 1e-12);
      }
    }
  }
}

TEST(RoiAlignTest, PermutedRoisGivePermutedResults) {
  const at::Tensor map = RandomMap({2, 33, 10, 13}, at::kFloat, 3);
  const at::Tensor rois = RandomRois({30, 2, 40, 52, 4}, 23);
  const at::Tensor order = at::arange(29, -1, -1, at::kLong);
  const RoiAlignOptions options{7, 7, kScale, 2, true};
  EXPECT_TRUE(at::equal(RoiAlign(map, rois.index_select(0, order), options),
                        RoiAlign(map, rois, options).index_select(0, order)));
}

TEST(RoiAlignTest, ThreadsChangeNoBit) {
  const at::Tensor map = RandomMap({2, 96, 10, 13}, at::kFloat, 3);
  const at::Tensor rois = RandomRois({50, 2, 40, 52, 4}, 29);
  const RoiAlignOptions options{7, 7, kScale, 0, true};
  const at::Tensor grad = RandomMap({50, 96, 7, 7}, at::kFloat, 31);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor forward = RoiAlign(map, rois, options);
  const at::Tensor backward = Gradient(map, rois, options, grad);
  for (const int more : {2, 3, 5}) {
    at::set_num_threads(more);
    EXPECT_TRUE(at::equal(RoiAlign(map, rois, options), forward));
    EXPECT_TRUE(at::equal(Gradient(map, rois, options, grad), backward));
  }
  at::set_num_threads(threads);
}

TEST(RoiAlignTest, EmptyInputGivesEmptyOutput) {
  const RoiAlignOptions options{7, 5, kScale, 2, true};
  const at::Tensor none = at::empty({0, 5});
  EXPECT_EQ(RoiAlign(at::ones({2, 3, 8, 8}), none, options).sizes(), at::IntArrayRef({0, 3, 7, 5}));
  EXPECT_EQ(RoiAlign(at::ones({0, 3, 8, 8}), none, options).sizes(), at::IntArrayRef({0, 3, 7, 5}));
  EXPECT_EQ(RoiAlign(at::ones({1, 3, 0, 8}), none, options).sizes(), at::IntArrayRef({0, 3, 7, 5}));
  EXPECT_EQ(RoiAlign(at::ones({1, 0, 8, 8}), at::zeros({4, 5}), options).sizes(),
            at::IntArrayRef({4, 0, 7, 5}));
  const at::Tensor grad = at::empty({0, 3, 7, 5});
  EXPECT_TRUE(
      at::equal(Gradient(at::ones({2, 3, 8, 8}), none, options, grad), at::zeros({2, 3, 8, 8})));
}

TEST(RoiAlignTest, AnyStridesGiveTheSame) {
  const at::Tensor map = RandomMap({2, 10, 13, 5}, at::kFloat, 3).permute({0, 3, 1, 2});
  const at::Tensor sliced = at::cat({map, map}, 3).slice(3, 3, 16);
  const at::Tensor rois = RandomRois({9, 2, 40, 52, 4}, 37);
  const RoiAlignOptions options{2, 2, kScale, 2, true};
  EXPECT_TRUE(
      at::equal(RoiAlign(sliced, rois, options), RoiAlign(sliced.contiguous(), rois, options)));
}

TEST(RoiAlignTest, HugeBoxesCostNoMore) {
  const at::Tensor map = at::ones({1, 1, 8, 8}, at::kDouble);
  const at::Tensor roi = at::tensor({0., -9e8, -9e8, 9e8, 9e8}, at::kDouble).view({1, 5});
  const at::Tensor pooled = RoiAlign(map, roi, {3, 3, 1.0, 0, true});
  EXPECT_EQ(pooled[0][0][0][0].item<double>(), 0);
  // Samples lie at whole numbers, and -1 to 8 count: 10 of the middle bin's 6e8 along each axis.
  EXPECT_NEAR(pooled.sum().item<double>(), std::pow(10 / 6e8, 2), 1e-24);
  EXPECT_TRUE(
      RoiAlign(map.to(at::kFloat), roi, {3, 3, 1.0, 0, true}).isfinite().all().item<bool>());
}

TEST(RoiAlignTest, SecondDerivativeThrows) {
  const at::Tensor map = at::ones({1, 1, 8, 8}).requires_grad_(true);
  const at::Tensor roi = at::tensor({0., 0., 0., 8., 8.}).view({1, 5});
  const at::Tensor loss = RoiAlign(map, roi, {}).square().sum();
  const at::Tensor first = torch::autograd::grad({loss}, {map}, {}, true, true)[0];
  EXPECT_THAT(ErrorMessage([&] { torch::autograd::grad({first.sum()}, {map}); }),
              HasSubstr("the gradient of roi_align cannot be differentiated again"));
}

TEST(RoiAlignTest, MetaTensorsGiveTheShape) {
  const at::Tensor map = at::empty({2, 3, 8, 8}, at::TensorOptions(at::kMeta));
  const at::Tensor rois = at::empty({6, 5}, at::TensorOptions(at::kMeta));
  const at::Tensor pooled = RoiAlign(map, rois, {.pooled_height = 2, .pooled_width = 3});
  EXPECT_TRUE(pooled.is_meta());
  EXPECT_EQ(pooled.sizes(), at::IntArrayRef({6, 3, 2, 3}));
}

std::string ErrorWith(const at::Tensor& input, const at::Tensor& rois,
                      const RoiAlignOptions& options = {}) {
  return ErrorMessage([&] { RoiAlign(input, rois, options); });
}

at::Tensor TwoRois(std::initializer_list<double> second) {
  return at::cat({at::tensor({0., 1., 1., 5., 5.}, at::kDouble), at::tensor(second, at::kDouble)})
      .view({2, 5});
}

TEST(RoiAlignTest, ErrorsNameTheArgument) {
  const at::Tensor map = at::ones({2, 3, 8, 8});
  const at::Tensor rois = at::zeros({1, 5});
  EXPECT_THAT(ErrorWith(at::ones({3, 8, 8}), rois),
              AllOf(StartsWith("input:"), HasSubstr("[3, 8, 8]")));
  EXPECT_THAT(ErrorWith(map.to(at::kLong), rois), AllOf(StartsWith("input:"), HasSubstr("int64")));
  EXPECT_THAT(ErrorWith(map.to(at::kHalf), rois),
              AllOf(StartsWith("input:"), HasSubstr("float16")));
  // Kernels of other devices may have it.
  EXPECT_EQ(ErrorWith(map.to(at::kHalf).to(at::kMeta), rois.to(at::kMeta)), "");
  EXPECT_THAT(ErrorWith(at::Tensor(), rois), StartsWith("input:"));
  EXPECT_THAT(ErrorWith(at::ones({1, 3, 8, 0}), rois),
              AllOf(StartsWith("input:"), HasSubstr("[1, 3, 8, 0]")));
  EXPECT_THAT(ErrorWith(map, at::zeros({1, 4})), AllOf(StartsWith("rois:"), HasSubstr("[1, 4]")));
  EXPECT_THAT(ErrorWith(map, at::Tensor()), StartsWith("rois:"));
  EXPECT_THAT(ErrorWith(map, rois.to(at::kInt)), AllOf(StartsWith("rois:"), HasSubstr("int32")));
  EXPECT_THAT(ErrorWith(map, at::empty({1, 5}, at::TensorOptions(at::kMeta))), StartsWith("rois:"));
  EXPECT_THAT(ErrorWith(map, rois, {.pooled_height = 0}), StartsWith("pooled_height:"));
  EXPECT_THAT(ErrorWith(map, rois, {.pooled_width = -3}), StartsWith("pooled_width:"));
  EXPECT_THAT(ErrorWith(map, rois, {.spatial_scale = 0}), StartsWith("spatial_scale:"));
  EXPECT_THAT(ErrorWith(map, rois, {.spatial_scale = NAN}), StartsWith("spatial_scale:"));
  EXPECT_THAT(ErrorWith(map, rois, {.sampling_ratio = 1 << 20}), StartsWith("sampling_ratio:"));
}

TEST(RoiAlignTest, ErrorsNameTheRow) {
  const at::Tensor map = at::ones({2, 3, 8, 8});
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_THAT(ErrorWith(map, TwoRois({0, 5, 1, 4, 2})),
              StartsWith("rois: row 1 is (0, 5, 1, 4, 2): x2 < x1"));
  EXPECT_THAT(ErrorWith(map, TwoRois({0, 1, 5, 2, 4})),
              HasSubstr("row 1 is (0, 1, 5, 2, 4): y2 < y1"));
  EXPECT_THAT(ErrorWith(map, TwoRois({0, 1, NAN, 2, 4})), HasSubstr("row 1"));
  EXPECT_THAT(ErrorWith(map, TwoRois({0, 1, 1, infinity, 4})), HasSubstr("not finite"));
  EXPECT_THAT(ErrorWith(map, TwoRois({2, 1, 1, 2, 4})), HasSubstr("image index is not in [0, 2)"));
  EXPECT_THAT(ErrorWith(map, TwoRois({-1, 1, 1, 2, 4})), HasSubstr("image index"));
  EXPECT_THAT(ErrorWith(map, TwoRois({0.5, 1, 1, 2, 4})), HasSubstr("image index"));
  EXPECT_THAT(ErrorWith(map, TwoRois({0, 1, 1, 1e30, 4})), HasSubstr("beyond 1e9"));
}

}  // namespace
}  // namespace rcnn::ops

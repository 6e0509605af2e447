#include "rcnn/ops/roi_align.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <ostream>
#include <tuple>
#include <vector>

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

// The tests below compare the float32 kernels of every level of instructions with the definition in
// float64. Positions, and so weights, are exact in float32: all coordinates are multiples of 1/4
// pixel of the map, pooled sizes are powers of two, and so are the numbers of samples, the adaptive
// ones included, since a RoI's length divided by 1, 2, 4 or 8 is a little less than a power of two.

constexpr double kUnit = 1.0 / (1 << 24);  // the relative error of a rounding

struct LevelCase {
  int64_t height, width, channels, images, pooled_height, pooled_width, sampling_ratio;
  bool aligned;

  RoiAlignOptions Options() const {
    return {pooled_height, pooled_width, kScale, sampling_ratio, aligned};
  }
  at::Tensor Map() const {
    return RandomMap({images, channels, height, width}, at::kFloat, height * 100 + width);
  }
};

std::ostream& operator<<(std::ostream& out, const LevelCase& c) {
  return out << c.images << " x " << c.channels << " x " << c.height << " x " << c.width << " to "
             << c.pooled_height << " x " << c.pooled_width << ", ratio " << c.sampling_ratio
             << (c.aligned ? "" : ", legacy");
}

// A pixel, a row and a column, odd sides; one channel and less, as many and more than vectors have;
// adaptive and fixed sampling.
constexpr LevelCase kLevelCases[] = {{1, 1, 1, 1, 1, 1, 0, true},   {1, 7, 3, 1, 2, 4, 0, true},
                                     {5, 1, 8, 2, 4, 2, 1, true},   {3, 11, 17, 1, 1, 2, 2, true},
                                     {13, 7, 33, 2, 8, 4, 0, true}, {17, 19, 8, 1, 4, 4, 4, false},
                                     {9, 5, 33, 1, 2, 8, 1, false}, {19, 17, 3, 2, 2, 2, 0, false}};

// Begins before the map, at its edges, inside and behind it; samples that lie exactly one pixel
// outside; of no size, smaller than a pixel and larger than the map.
at::Tensor ExactRois(const LevelCase& c) {
  const auto begins = [](int64_t size) {
    const double last = static_cast<double>(size);
    return std::array<double, 11>{-20, -2.25,    -0.75,       -0.5,       0,       0.25,
                                  1.5, last - 1, last + 0.25, last + 0.5, last + 3};
  };
  constexpr double kLengths[] = {0.5, 0, 1.75, 3.5, 7.25, 15.5};
  std::vector<double> rois;
  for (int64_t k = 0; k < 22; ++k) {
    const double x = begins(c.width)[k % 11], y = begins(c.height)[(3 * k + 2) % 11];
    const double width = kLengths[k % 6], height = kLengths[(k / 2) % 6];
    const double image = static_cast<double>(k % c.images);
    rois.insert(rois.end(),
                {image, x / kScale, y / kScale, (x + width) / kScale, (y + height) / kScale});
  }
  return at::tensor(rois, at::kDouble).view({-1, 5});
}

// [R, H * W, bins] float64: the part of each pixel in each bin, sample by sample. A sample further
// than a pixel outside counts 0, one nearer takes the value at the edge.
at::Tensor Parts(const at::Tensor& rois, const LevelCase& c) {
  const RoiAlignOptions options = c.Options();
  const auto roi = rois.accessor<double, 2>();
  at::Tensor result =
      at::zeros({rois.size(0), c.height * c.width, c.pooled_height * c.pooled_width}, at::kDouble);
  auto parts = result.accessor<double, 3>();
  for (int64_t r = 0; r < rois.size(0); ++r) {
    const Axis along_x = ReferenceAxis(roi[r][1], roi[r][3], c.pooled_width, options);
    const Axis along_y = ReferenceAxis(roi[r][2], roi[r][4], c.pooled_height, options);
    const double count = static_cast<double>(along_x.samples * along_y.samples);
    const auto add = [&](int64_t bin, double y, double x) {
      const double height = static_cast<double>(c.height), width = static_cast<double>(c.width);
      if (y < -1 || y > height || x < -1 || x > width) return;
      y = std::clamp(y, 0.0, height - 1);
      x = std::clamp(x, 0.0, width - 1);
      for (int64_t i = 0; i < c.height; ++i) {
        for (int64_t j = 0; j < c.width; ++j) {
          const double near_y = std::max(1 - std::abs(y - static_cast<double>(i)), 0.0);
          const double near_x = std::max(1 - std::abs(x - static_cast<double>(j)), 0.0);
          parts[r][i * c.width + j][bin] += near_y * near_x / count;
        }
      }
    };
    for (int64_t bin = 0; bin < c.pooled_height * c.pooled_width; ++bin) {
      for (int64_t i = 0; i < along_y.samples; ++i) {
        for (int64_t j = 0; j < along_x.samples; ++j) {
          add(bin, along_y.At(bin / c.pooled_width, i), along_x.At(bin % c.pooled_width, j));
        }
      }
    }
  }
  return result;
}

// [R, C, bins]: the sums of the images' pixels by their parts.
at::Tensor SumPixels(const at::Tensor& map, const at::Tensor& rois, const at::Tensor& parts) {
  const at::Tensor pixels = map.to(at::kDouble).flatten(2);
  return at::bmm(pixels.index_select(0, rois.select(1, 0).to(at::kLong)), parts);
}

void ExpectWithin(const at::Tensor& actual, const at::Tensor& exact, const at::Tensor& bound) {
  const at::Tensor error = (actual.to(at::kDouble).view(exact.sizes()) - exact).abs();
  EXPECT_TRUE((error <= bound).all().item<bool>()) << (error - bound).max().item<double>();
}

class RoiAlignLevelTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, RoiAlignLevelTest, LevelsFrom(InstructionLevel::kPortable),
                         LevelName);

// A term goes through the additions of its column, those of its bin, and two products.
TEST_P(RoiAlignLevelTest, FloatMapsEqualTheDefinition) {
  for (const LevelCase& c : kLevelCases) {
    SCOPED_TRACE(::testing::PrintToString(c));
    const at::Tensor map = c.Map(), rois = ExactRois(c), parts = Parts(rois, c);
    const at::Tensor exact = SumPixels(map, rois, parts);
    const double rounding = kUnit * static_cast<double>(c.height + c.width + 3);
    const at::Tensor bound = SumPixels(map.abs(), rois, parts) * rounding;
    const at::Tensor pooled = RoiAlign(map, rois, c.Options());
    ExpectWithin(pooled, exact, bound);
    const at::Tensor pixels = map.contiguous(at::MemoryFormat::ChannelsLast);
    EXPECT_TRUE(at::equal(RoiAlign(pixels, rois, c.Options()), pooled));
    const ScopedInstructionLevel level(InstructionLevel::kPortable);
    EXPECT_TRUE(at::equal(RoiAlign(map, rois, c.Options()), pooled));
  }
}

TEST_P(RoiAlignLevelTest, GradientsOfFloatMapsEqualTheDefinition) {
  for (const LevelCase& c : kLevelCases) {
    SCOPED_TRACE(::testing::PrintToString(c));
    const at::Tensor map = c.Map(), rois = ExactRois(c), parts = Parts(rois, c);
    const at::Tensor grad =
        RandomMap({rois.size(0), c.channels, c.pooled_height, c.pooled_width}, at::kFloat, 41);
    const auto scatter = [&](const at::Tensor& bins) {
      at::Tensor sum = at::zeros({c.images, c.channels, c.height * c.width}, at::kDouble);
      const at::Tensor of_rois =
          at::bmm(bins.to(at::kDouble).flatten(2), parts.transpose(1, 2).contiguous());
      return sum.index_add_(0, rois.select(1, 0).to(at::kLong), of_rois);
    };
    const at::Tensor of_map = Gradient(map, rois, c.Options(), grad);
    // Of a row of bins, of the rows of bins of all RoIs, and two products.
    const double terms = static_cast<double>(c.pooled_width + c.pooled_height * rois.size(0) + 3);
    ExpectWithin(of_map, scatter(grad), scatter(grad.abs()) * (kUnit * terms));
    const ScopedInstructionLevel level(InstructionLevel::kPortable);
    EXPECT_TRUE(at::equal(Gradient(map, rois, c.Options(), grad), of_map));
  }
}

TEST_P(RoiAlignLevelTest, NanIsReadWhereItHasAPart) {
  for (const LevelCase& c : kLevelCases) {
    SCOPED_TRACE(::testing::PrintToString(c));
    at::Tensor map = c.Map();
    const at::Tensor rois = ExactRois(c), parts = Parts(rois, c);
    const int64_t pixel = c.height * c.width / 2, channel = c.channels / 2;
    map.flatten(2).select(2, pixel).select(1, channel).fill_(NAN);
    const at::Tensor is_nan = RoiAlign(map, rois, c.Options()).isnan().flatten(2);
    EXPECT_TRUE(at::equal(is_nan.select(1, channel), parts.select(1, pixel) > 0));
    EXPECT_EQ(is_nan.sum().item<int64_t>(), is_nan.select(1, channel).sum().item<int64_t>());
  }
}

// Numbers of bins and samples that are not powers of two, and any coordinates. A position is off by
// at most ten roundings of a coordinate, which moves a value by twice the largest one on each axis.
TEST_P(RoiAlignLevelTest, AnyRoisEqualTheDefinitionWithinTheRoundingOfTheirPositions) {
  for (const auto& [height, width, ratio] : {std::tuple(7, 7, 0), {3, 5, 3}, {5, 1, 2}}) {
    const RoiAlignOptions options{height, width, kScale, ratio, true};
    const at::Tensor map = RandomMap({2, 33, 11, 13}, at::kFloat, 3);
    const at::Tensor rois = RandomRois({30, 2, 44, 52, 8}, 43).to(at::kFloat);
    const double largest = map.abs().max().item<double>();
    const double bound = kUnit * largest * (40 * (52 + 8) * kScale + 11 + 13 + 3);
    EXPECT_LE(MaxDifference(RoiAlign(map, rois, options), Reference(map, rois, options)), bound)
        << height << " x " << width << ", ratio " << ratio;
  }
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

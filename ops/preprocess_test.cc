#include "rcnn/ops/preprocess.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/ops/error_message.h"
#include "rcnn/ops/resize_rule.h"

namespace rcnn::ops {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// Weights and sums are float32: a few units in the last place of 255.
constexpr double kRounding = 1e-4;
// OpenCV keeps positions in float32: for positions below 256, half a unit in the last place (2^-17)
// on each axis moves a value by up to 255 times that.
constexpr double kOpenCvRounding = 2 * 255.0 / (1 << 16);

at::Tensor RandomImage(int64_t height, int64_t width, uint64_t seed = 1) {
  at::Generator generator = at::detail::createCPUGenerator(seed);
  return at::randint(0, 256, {height, width, 3}, generator, at::kByte);
}

double MaxDifference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

cv::Mat FloatMat(const at::Tensor& image) {
  cv::Mat mat;
  cv::Mat(image.size(0), image.size(1), CV_8UC3, image.data_ptr()).convertTo(mat, CV_32FC3);
  return mat;
}

// [H, W, 3] float pixels as planes.
at::Tensor MakePlanes(cv::Mat mat) {
  return at::from_blob(mat.data, {mat.rows, mat.cols, 3}, at::kFloat).permute({2, 0, 1}).clone();
}

struct Sizes {
  int64_t height, width, to_height, to_width;
};

const Sizes kSizes[] = {{97, 131, 60, 85}, {60, 85, 97, 131}, {128, 96, 64, 48}, {50, 200, 75, 100},
                        {1, 1, 5, 7},      {5, 7, 1, 1},      {2, 300, 3, 3},    {40, 40, 40, 40}};

TEST(PreprocessTest, EqualsOpenCvForASize) {
  for (const Sizes& s : kSizes) {
    const at::Tensor image = RandomImage(s.height, s.width);
    cv::Mat resized;
    cv::resize(FloatMat(image), resized, cv::Size(s.to_width, s.to_height), 0, 0, cv::INTER_LINEAR);
    const at::Tensor ours = Preprocess(image, {.height = s.to_height, .width = s.to_width});
    EXPECT_LE(MaxDifference(ours, MakePlanes(resized)), kOpenCvRounding)
        << s.height << ' ' << s.width;
  }
}

TEST(PreprocessTest, EqualsOpenCvForAScale) {
  for (const auto& [height, width] : {std::pair{75, 101}, {101, 75}, {33, 200}}) {
    const at::Tensor image = RandomImage(height, width);
    const Resized size = ResizedSize(height, width, {60, 100});
    cv::Mat resized;
    cv::resize(FloatMat(image), resized, cv::Size(), size.scale, size.scale, cv::INTER_LINEAR);
    const at::Tensor ours = Preprocess(image, {.height = size.height,
                                               .width = size.width,
                                               .step = ResizeStep::kInverseScale,
                                               .scale = size.scale});
    ASSERT_EQ(ours.size(1), resized.rows);
    ASSERT_EQ(ours.size(2), resized.cols);
    EXPECT_LE(MaxDifference(ours, MakePlanes(resized)), kOpenCvRounding) << height << ' ' << width;
  }
}

TEST(PreprocessTest, EqualsInterpolateForASize) {
  for (const Sizes& s : kSizes) {
    const at::Tensor image = RandomImage(s.height, s.width);
    const at::Tensor planes = image.permute({2, 0, 1}).unsqueeze(0).to(at::kDouble);
    const at::Tensor expected =
        at::upsample_bilinear2d(planes, {s.to_height, s.to_width}, /*align_corners=*/false)[0];
    const at::Tensor ours = Preprocess(image, {.height = s.to_height, .width = s.to_width});
    EXPECT_LE(MaxDifference(ours, expected), kRounding) << s.height << ' ' << s.width;
  }
}

TEST(PreprocessTest, EqualsInterpolateForAScale) {
  const at::Tensor image = RandomImage(50, 75);
  const double scale = 1.37;
  const at::Tensor planes = image.permute({2, 0, 1}).unsqueeze(0).to(at::kDouble);
  const at::Tensor expected =
      at::upsample_bilinear2d(planes, {68, 102}, /*align_corners=*/false, scale, scale)[0];
  const PreprocessOptions options{
      .height = 68, .width = 102, .step = ResizeStep::kInverseScale, .scale = scale};
  EXPECT_LE(MaxDifference(Preprocess(image, options), expected), kRounding);
}

TEST(PreprocessTest, SameSizeGivesTheBytes) {
  const at::Tensor image = RandomImage(13, 18);
  EXPECT_TRUE(at::equal(Preprocess(image, {.height = 13, .width = 18}),
                        image.permute({2, 0, 1}).to(at::kFloat)));
}

// x -> 2 x + 3 y, sampled where output pixels lie; outside the outermost centres it is constant.
TEST(PreprocessTest, LinearRampStaysLinear) {
  const at::Tensor x = at::arange(20, at::kLong).view({1, 20});
  const at::Tensor y = at::arange(10, at::kLong).view({10, 1});
  const at::Tensor image = (2 * x + 3 * y).unsqueeze(2).expand({10, 20, 3}).to(at::kByte);
  const at::Tensor resized = Preprocess(image, {.height = 25, .width = 16});
  for (int64_t i = 0; i < 25; ++i) {
    for (int64_t j = 0; j < 16; ++j) {
      const double at_y = std::clamp((i + 0.5) * 10 / 25 - 0.5, 0.0, 9.0);
      const double at_x = std::clamp((j + 0.5) * 20 / 16 - 0.5, 0.0, 19.0);
      EXPECT_NEAR(resized[1][i][j].item<double>(), 2 * at_x + 3 * at_y, 1e-5);
    }
  }
}

TEST(PreprocessTest, SubtractsMeanAndDividesByStdInTheOutputsOrder) {
  const at::Tensor image = RandomImage(9, 11);
  const PreprocessOptions options{.height = 9,
                                  .width = 11,
                                  .channel_order = ChannelOrder::kBgr,
                                  .mean = {102.9801, 115.9465, 122.7717},
                                  .std = {1, 2, 4}};
  const at::Tensor bgr = image.permute({2, 0, 1}).flip(0).to(at::kDouble);
  const at::Tensor mean = at::tensor({102.9801, 115.9465, 122.7717}, at::kDouble).view({3, 1, 1});
  const at::Tensor std = at::tensor({1., 2., 4.}, at::kDouble).view({3, 1, 1});
  EXPECT_LE(MaxDifference(Preprocess(image, options), (bgr - mean) / std), kRounding);
}

TEST(PreprocessTest, FlipIsResizingTheMirrorImage) {
  const at::Tensor image = RandomImage(31, 45);
  for (const ResizeStep step : {ResizeStep::kSizeRatio, ResizeStep::kInverseScale}) {
    PreprocessOptions options{.height = 40, .width = 58, .step = step, .scale = 1.3};
    const at::Tensor mirrored = Preprocess(image.flip(1).contiguous(), options);
    options.flip_horizontally = true;
    EXPECT_TRUE(at::equal(Preprocess(image, options), mirrored));
  }
}

TEST(PreprocessTest, SlotsOfBothLayoutsArePaddedAndWrittenEverywhere) {
  const at::Tensor image = RandomImage(31, 45);
  const PreprocessOptions options{
      .height = 20, .width = 29, .mean = {1, 2, 3}, .std = {2, 3, 4}, .padding = -1.5};
  at::Tensor expected = at::full({3, 23, 37}, -1.5);
  expected.slice(1, 0, 20).slice(2, 0, 29).copy_(Preprocess(image, options));
  for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    const at::Tensor batch =
        at::full({3, 3, 23, 37}, NAN, at::TensorOptions().memory_format(format));
    PreprocessInto(image, options, batch.select(0, 1));
    EXPECT_TRUE(at::equal(batch.select(0, 1), expected)) << format;
    EXPECT_TRUE(batch.select(0, 0).isnan().all().item<bool>());
    EXPECT_TRUE(batch.select(0, 2).isnan().all().item<bool>());
  }
}

TEST(PreprocessTest, OtherStridesGiveTheSame) {
  const at::Tensor image = RandomImage(31, 45);
  const PreprocessOptions options{.height = 20, .width = 29};
  const at::Tensor crop = image.slice(0, 4, 20).slice(1, 7, 30);
  const at::Tensor expected = Preprocess(crop.contiguous(), options);
  EXPECT_TRUE(at::equal(Preprocess(crop, options), expected));
  EXPECT_TRUE(at::equal(
      Preprocess(crop.permute({2, 0, 1}).contiguous().permute({1, 2, 0}), options), expected));
  const at::Tensor transposed = at::empty({3, 29, 20}).transpose(1, 2);
  PreprocessInto(crop, options, transposed);
  EXPECT_TRUE(at::equal(transposed, expected));
}

TEST(PreprocessTest, ThreadsChangeNoBit) {
  const at::Tensor image = RandomImage(120, 90);
  const PreprocessOptions options{.height = 150, .width = 113};
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor expected = Preprocess(image, options);
  for (const int more : {2, 3, 7}) {
    at::set_num_threads(more);
    EXPECT_TRUE(at::equal(Preprocess(image, options), expected));
  }
  at::set_num_threads(threads);
}

// The definition in float64, pixel by pixel, with options of a size.
at::Tensor Exact(const at::Tensor& image, const PreprocessOptions& options) {
  const at::Tensor bytes = options.flip_horizontally ? image.flip(1).contiguous() : image;
  const auto pixels = bytes.accessor<uint8_t, 3>();
  const int64_t height = image.size(0), width = image.size(1);
  const auto position = [](int64_t i, int64_t from, int64_t to) {
    const double step = static_cast<double>(from) / static_cast<double>(to);
    return std::clamp((static_cast<double>(i) + 0.5) * step - 0.5, 0.0,
                      static_cast<double>(from - 1));
  };
  at::Tensor result = at::empty({3, options.height, options.width}, at::kDouble);
  auto out = result.accessor<double, 3>();
  for (int64_t i = 0; i < options.height; ++i) {
    const double y = position(i, height, options.height);
    const auto top = static_cast<int64_t>(y), bottom = std::min(top + 1, height - 1);
    for (int64_t j = 0; j < options.width; ++j) {
      const double x = position(j, width, options.width);
      const auto left = static_cast<int64_t>(x), right = std::min(left + 1, width - 1);
      for (int64_t c = 0; c < 3; ++c) {
        const int64_t from = options.channel_order == ChannelOrder::kRgb ? c : 2 - c;
        const double above =
            pixels[top][left][from] * (left + 1 - x) + pixels[top][right][from] * (x - left);
        const double below =
            pixels[bottom][left][from] * (left + 1 - x) + pixels[bottom][right][from] * (x - left);
        out[c][i][j] =
            (above * (top + 1 - y) + below * (y - top) - options.mean[c]) / options.std[c];
      }
    }
  }
  return result;
}

class PreprocessLevelTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, PreprocessLevelTest, LevelsFrom(InstructionLevel::kPortable),
                         LevelName);

// Single pixels, rows and columns, and sides that are primes, up and down, into slots of planes and
// of pixels.
TEST_P(PreprocessLevelTest, EqualsTheDefinitionWithTheBitsOfEveryOtherLevel) {
  const Sizes sizes[] = {{1, 1, 1, 1},    {1, 1, 5, 7},     {1, 37, 1, 53},   {37, 1, 19, 1},
                         {1, 211, 1, 97}, {13, 17, 29, 31}, {31, 29, 17, 13}, {7, 5, 3, 127}};
  for (const Sizes& s : sizes) {
    const at::Tensor image = RandomImage(s.height, s.width);
    PreprocessOptions options{.height = s.to_height,
                              .width = s.to_width,
                              .mean = {102.9801, 115.9465, 122.7717},
                              .std = {1, 57.12, 4}};
    for (const bool other : {false, true}) {
      options.flip_horizontally = other;
      options.channel_order = other ? ChannelOrder::kBgr : ChannelOrder::kRgb;
      SCOPED_TRACE(::testing::Message() << s.height << " x " << s.width << " to " << s.to_height
                                        << " x " << s.to_width << " " << other);
      const at::Tensor planes = Preprocess(image, options);
      EXPECT_LE(MaxDifference(planes, Exact(image, options)), kRounding);
      const at::Tensor pixels =
          at::empty({1, 3, s.to_height, s.to_width},
                    at::TensorOptions().memory_format(at::MemoryFormat::ChannelsLast));
      PreprocessInto(image, options, pixels.select(0, 0));
      EXPECT_TRUE(at::equal(pixels.select(0, 0), planes));
      const ScopedInstructionLevel level(InstructionLevel::kPortable);
      EXPECT_TRUE(at::equal(Preprocess(image, options), planes));
    }
  }
}

TEST(PreprocessTest, CountsBadLists) {
  const std::vector<double> one = {1}, three = {1, 1, 1};
  const auto error = [](const std::vector<double>& mean, const std::vector<double>& stddev) {
    return ErrorMessage(
        [&] { ReadPreprocessOptions(4, 4, mean, stddev, false, false, c10::nullopt); });
  };
  EXPECT_EQ(error(one, three), "mean: expected 3 numbers, got 1");
  EXPECT_EQ(error(three, one), "std: expected 3 numbers, got 1");
}

std::string ErrorWith(const at::Tensor& image, const PreprocessOptions& options) {
  return ErrorMessage([&] { Preprocess(image, options); });
}

TEST(PreprocessTest, ErrorsNameTheArgument) {
  const at::Tensor image = RandomImage(4, 4);
  const PreprocessOptions good{.height = 4, .width = 4};
  EXPECT_THAT(ErrorWith(at::zeros({4, 4}, at::kByte), good),
              AllOf(StartsWith("image:"), HasSubstr("[4, 4]")));
  EXPECT_THAT(ErrorWith(at::zeros({4, 4, 1}, at::kByte), good), StartsWith("image:"));
  EXPECT_THAT(ErrorWith(at::zeros({4, 4, 3}), good),
              AllOf(StartsWith("image:"), HasSubstr("float32")));
  EXPECT_THAT(ErrorWith(at::zeros({0, 4, 3}, at::kByte), good),
              AllOf(StartsWith("image:"), HasSubstr("[0, 4, 3]")));
  EXPECT_THAT(ErrorWith(at::Tensor(), good), StartsWith("image:"));
  EXPECT_THAT(ErrorWith(image, {}), StartsWith("height, width:"));
  EXPECT_THAT(ErrorWith(image, {.height = 4, .width = 4, .step = ResizeStep::kInverseScale}),
              StartsWith("scale:"));
  EXPECT_THAT(ErrorWith(image, {.height = 4, .width = 4, .mean = {0, NAN, 0}}),
              StartsWith("mean: channel 1"));
  EXPECT_THAT(ErrorWith(image, {.height = 4, .width = 4, .std = {1, 1, 0}}),
              StartsWith("std: channel 2"));
  EXPECT_THAT(ErrorWith(image, {.height = 4, .width = 4, .std = {1, 1e-300, 1}}),
              StartsWith("mean, std: channel 1: the result overflows"));
  EXPECT_THAT(ErrorWith(image, {.height = int64_t{1} << 40, .width = 4}),
              StartsWith("height, width: expected at most"));
  EXPECT_THAT(ErrorWith(image, {.height = 4, .width = 4, .padding = NAN}), StartsWith("padding:"));
  const auto slot_error = [&](const at::Tensor& slot) {
    return ErrorMessage([&] { PreprocessInto(image, good, slot); });
  };
  EXPECT_THAT(slot_error(at::empty({3, 4, 3})), AllOf(StartsWith("slot:"), HasSubstr("[3, 4, 3]")));
  EXPECT_THAT(slot_error(at::empty({1, 4, 4})), StartsWith("slot:"));
  EXPECT_THAT(slot_error(at::empty({3, 4, 4}, at::kDouble)), StartsWith("slot:"));
  EXPECT_THAT(slot_error(at::Tensor()), StartsWith("slot:"));
}

}  // namespace
}  // namespace rcnn::ops

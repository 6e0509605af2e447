#include "rcnn/data/loader/color_matrix.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/stream_key.h"
#include "rcnn/base/testing/instruction_levels.h"

namespace rcnn::data {
namespace {

using ::testing::ElementsAre;

Image RandomImage(int64_t height, int64_t width) {
  RandomStream stream({.seed = 5, .stage = "test", .step = 0, .purpose = "pixels"});
  Image image(height, width);
  std::generate_n(image.data(), image.size_bytes(),
                  [&] { return static_cast<uint8_t>(stream.UniformInt(256)); });
  return image;
}

std::array<int, 3> Map(const ColorMatrix& matrix, std::array<int, 3> rgb) {
  Image image(1, 1);
  std::copy(rgb.begin(), rgb.end(), image.data());
  const Image mapped = ApplyColor(matrix, image);
  return {mapped.data()[0], mapped.data()[1], mapped.data()[2]};
}

// As ApplyColor, one value at a time in double precision, without rounding.
double Exact(const ColorMatrix& matrix, const uint8_t* rgb, int channel) {
  const auto& row = matrix.rows[channel];
  return std::clamp(row[0] * rgb[0] + row[1] * rgb[1] + row[2] * rgb[2] + row[3], 0.0, 255.0);
}

TEST(ColorMatrixTest, NeutralFactorsChangeNoPixel) {
  const Image image = RandomImage(37, 29);
  const ColorMatrix matrix = Hue(0).After(Saturation(1).After(Contrast(1).After(Brightness(1))));
  const Image same = ApplyColor(matrix, image);
  EXPECT_TRUE(std::equal(image.data(), image.data() + image.size_bytes(), same.data()));
}

TEST(ColorMatrixTest, HandWorkedColours) {
  EXPECT_THAT(Map(Brightness(0.5), {10, 100, 251}), ElementsAre(5, 50, 126));
  EXPECT_THAT(Map(Brightness(2), {10, 100, 251}), ElementsAre(20, 200, 255));
  EXPECT_THAT(Map(Contrast(0), {10, 100, 251}), ElementsAre(128, 128, 128));
  EXPECT_THAT(Map(Contrast(2), {10, 100, 251}), ElementsAre(0, 73, 255));
  // Luma 0.299 * 10 + 0.587 * 100 + 0.114 * 251 = 90.304.
  EXPECT_THAT(Map(Saturation(0), {10, 100, 251}), ElementsAre(90, 90, 90));
  EXPECT_THAT(Map(Saturation(0.5), {10, 100, 251}), ElementsAre(50, 95, 171));
}

TEST(ColorMatrixTest, HueKeepsGreysAndLuma) {
  constexpr double kLuma[3] = {0.299, 0.587, 0.114};
  for (const double degrees : {-170.0, -30.0, 1.0, 90.0, 180.0}) {
    const ColorMatrix hue = Hue(degrees);
    EXPECT_THAT(Map(hue, {0, 0, 0}), ElementsAre(0, 0, 0));
    EXPECT_THAT(Map(hue, {200, 200, 200}), ElementsAre(200, 200, 200));
    for (int k = 0; k < 3; ++k) {
      const double luma = 0.299 * hue.rows[0][k] + 0.587 * hue.rows[1][k] + 0.114 * hue.rows[2][k];
      EXPECT_NEAR(luma, kLuma[k], 1e-12) << degrees;
    }
  }
}

TEST(ColorMatrixTest, HuesAddUpAndWrapAround) {
  const ColorMatrix sum = Hue(50).After(Hue(70));
  const ColorMatrix direct = Hue(120);
  const ColorMatrix around = Hue(360);
  for (int c = 0; c < 3; ++c) {
    for (int k = 0; k < 4; ++k) {
      EXPECT_NEAR(sum.rows[c][k], direct.rows[c][k], 1e-12);
      EXPECT_NEAR(around.rows[c][k], c == k ? 1 : 0, 1e-12);
    }
  }
  EXPECT_GT(std::abs(direct.rows[0][0] - 1), 0.5);
}

TEST(ColorMatrixTest, AfterMatchesTheStepsOneByOne) {
  const ColorMatrix first = Saturation(0.7);
  const ColorMatrix second = Contrast(1.2);
  const uint8_t rgb[3] = {90, 120, 140};
  for (int c = 0; c < 3; ++c) {
    double expected = second.rows[c][3];
    for (int j = 0; j < 3; ++j) expected += second.rows[c][j] * Exact(first, rgb, j);
    EXPECT_NEAR(Exact(second.After(first), rgb, c), expected, 1e-9);
  }
}

class ColorMatrixLevelTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, ColorMatrixLevelTest, LevelsFrom(InstructionLevel::kPortable),
                         LevelName);

TEST_P(ColorMatrixLevelTest, EveryPixelIsTheRoundedExactValue) {
  const Image image = RandomImage(64, 51);
  const ColorMatrix matrix = Hue(33).After(Saturation(1.7).After(Brightness(1.1)));
  const Image mapped = ApplyColor(matrix, image);
  for (int64_t i = 0; i < image.height() * image.width(); ++i) {
    for (int c = 0; c < 3; ++c) {
      EXPECT_NEAR(mapped.data()[3 * i + c], Exact(matrix, image.data() + 3 * i, c), 0.501);
    }
  }
}

TEST(ColorMatrixTest, EmptyImageStaysEmpty) {
  EXPECT_EQ(ApplyColor(Hue(3), Image(0, 5)).size_bytes(), 0);
}

}  // namespace
}  // namespace rcnn::data

#include "rcnn/configs/pixel_normalization.h"

#include <string>

#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/normalization.pb.h"
#include "rcnn/configs/testing/parse_text.h"

namespace rcnn::configs {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<PixelNormalization> Read(const std::string& text) {
  const auto config = ParseTextOrDie<NormalizationConfig>(text);
  return ReadNormalization(config);
}

TEST(PixelNormalizationTest, PixelsStayAsTheyAreByDefault) {
  const auto pixels = Read("");
  ASSERT_THAT(pixels, IsOk());
  EXPECT_EQ(pixels->channel_order, NormalizationConfig::RGB);
  EXPECT_THAT(pixels->mean, ElementsAre(0, 0, 0));
  EXPECT_THAT(pixels->std, ElementsAre(1, 1, 1));
}

// (pixel * 0.5 - mean) / std = (pixel - 2 * mean) / (2 * std)
TEST(PixelNormalizationTest, TheScaleIsDividedOut) {
  const auto pixels = Read("channel_order: BGR scale: 0.5 mean: [1, 2, 3] std: [4, 5, 6]");
  ASSERT_THAT(pixels, IsOk());
  EXPECT_EQ(pixels->channel_order, NormalizationConfig::BGR);
  EXPECT_THAT(pixels->mean, ElementsAre(2, 4, 6));
  EXPECT_THAT(pixels->std, ElementsAre(8, 10, 12));
  const auto scaled = Read("scale: 0.00392156862745098");
  ASSERT_THAT(scaled, IsOk());
  EXPECT_THAT(scaled->std, ElementsAre(DoubleEq(255), DoubleEq(255), DoubleEq(255)));
}

TEST(PixelNormalizationTest, ErrorsNameTheField) {
  const struct {
    const char* text;
    const char* message;
  } cases[] = {{"scale: 0", "normalization.scale is 0"},
               {"scale: -1", "normalization.scale is -1"},
               {"scale: nan", "normalization.scale is nan"},
               {"mean: 1", "normalization.mean has 1 number, not 3"},
               {"mean: [1, nan, 1]", "normalization.mean is nan"},
               {"mean: [1, 1, inf]", "normalization.mean is inf"},
               {"std: [1, 2, 3, 4]", "normalization.std has 4 numbers, not 3"},
               {"std: [1, 0, 1]", "normalization.std is 0"}};
  for (const auto& c : cases) {
    EXPECT_THAT(Read(c.text), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.message)))
        << c.text;
  }
}

}  // namespace
}  // namespace rcnn::configs

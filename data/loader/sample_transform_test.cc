#include "rcnn/data/loader/sample_transform.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/testing/parse_text.h"

namespace rcnn::data {
namespace {

using configs::TransformConfig;
using ::testing::HasSubstr;

TransformConfig Config(const std::string& text) {
  return configs::ParseTextOrDie<TransformConfig>(text);
}

ImageInfo Image(int64_t width, int64_t height) {
  ImageInfo info;
  info.name = "a.jpg";
  info.width = width;
  info.height = height;
  return info;
}

StreamKey Key(int64_t step) { return {.seed = 3, .stage = "rpn1", .step = step, .purpose = ""}; }

SampleTransform Draw(const std::string& text, const ImageInfo& info, int64_t step = 0) {
  absl::StatusOr<SampleTransform> transform = DrawTransform(Config(text), info, Key(step));
  EXPECT_THAT(transform, IsOk());
  return *std::move(transform);
}

TEST(SampleTransformTest, EmptyConfigKeepsTheImage) {
  const SampleTransform transform = Draw("", Image(500, 375));
  EXPECT_EQ(transform.height, 375);
  EXPECT_EQ(transform.width, 500);
  EXPECT_EQ(transform.scale_x, 1);
  EXPECT_FALSE(transform.flipped);
  EXPECT_FALSE(transform.color.has_value());
  EXPECT_EQ(transform.Apply({1, 2, 3, 4}, Image(500, 375), false), (Box{1, 2, 3, 4}));
}

TEST(SampleTransformTest, TheRuleOf600And1000) {
  const std::string config = "resize { shortest_side_px: 600 longest_side_px: 1000 }";
  const SampleTransform plain = Draw(config, Image(500, 375));
  EXPECT_EQ(plain.height, 600);
  EXPECT_EQ(plain.width, 800);
  EXPECT_EQ(plain.scale_x, 1.6);
  EXPECT_EQ(plain.scale_y, 1.6);
  EXPECT_TRUE(plain.place_by_scale);
  // 600 / 300 * 1000 = 2000 > 1000: the longest side decides.
  const SampleTransform limited = Draw(config, Image(1000, 300));
  EXPECT_EQ(limited.height, 300);
  EXPECT_EQ(limited.width, 1000);
  // 600 / 333 * 500 = 900.9: rounded to the nearest, boxes by the exact scale.
  const SampleTransform rounded = Draw(config, Image(333, 500));
  EXPECT_EQ(rounded.width, 600);
  EXPECT_EQ(rounded.height, 901);
  EXPECT_EQ(rounded.scale_y, 600.0 / 333);
}

TEST(SampleTransformTest, RoundingDownScalesEachAxisByItsOwnRatio) {
  const SampleTransform transform = Draw(
      "resize { shortest_side_px: 600 longest_side_px: 1000 rounding: DOWN }", Image(333, 500));
  EXPECT_EQ(transform.height, 900);
  EXPECT_EQ(transform.scale_y, 900.0 / 500);
  EXPECT_EQ(transform.scale_x, static_cast<double>(transform.width) / 333);
  EXPECT_FALSE(transform.place_by_scale);
}

TEST(SampleTransformTest, WithoutLimitTheLongestSideIsFree) {
  EXPECT_EQ(Draw("resize { shortest_side_px: 100 }", Image(5000, 50)).width, 10000);
}

TEST(SampleTransformTest, EveryScaleIsDrawnAndEvaluationTakesTheLast) {
  const std::string text = "resize { shortest_side_px: [64, 96, 128] longest_side_px: 0 }";
  std::set<int64_t> heights;
  for (int64_t step = 0; step < 60; ++step) {
    heights.insert(Draw(text, Image(200, 100), step).height);
  }
  EXPECT_EQ(heights, (std::set<int64_t>{64, 96, 128}));
  EXPECT_EQ(EvaluationTransform(Config(text), Image(200, 100))->height, 128);
}

TEST(SampleTransformTest, BoxesAreMirroredThenScaled) {
  SampleTransform transform;
  transform.flipped = true;
  transform.scale_x = 2;
  transform.scale_y = 3;
  EXPECT_EQ(transform.Apply({10, 20, 40, 50}, Image(100, 80), false), (Box{120, 60, 180, 150}));
  // The 2015 form: x1' = W - x2 - 1.
  EXPECT_EQ(transform.Apply({10, 20, 40, 50}, Image(100, 80), true), (Box{118, 60, 178, 150}));
}

TEST(SampleTransformTest, BoxesAreFlippedVerticallyThenScaled) {
  SampleTransform transform;
  transform.flipped_vertically = true;
  transform.scale_x = 2;
  transform.scale_y = 3;
  EXPECT_EQ(transform.Apply({10, 20, 40, 50}, Image(100, 80), false), (Box{20, 90, 80, 180}));
  EXPECT_EQ(transform.Apply({10, 20, 40, 50}, Image(100, 80), true), (Box{20, 87, 80, 177}));
}

TEST(SampleTransformTest, FlippingTwiceRestoresTheBox) {
  const ImageInfo info = Image(64, 48);
  const Box box = {3.25f, 1, 17.5f, 9};
  for (const bool inclusive : {false, true}) {
    for (const bool upside_down : {false, true}) {
      SampleTransform transform;
      transform.flipped = !upside_down;
      transform.flipped_vertically = upside_down;
      EXPECT_EQ(transform.Apply(transform.Apply(box, info, inclusive), info, inclusive), box);
    }
  }
}

TEST(SampleTransformTest, HalfOfTheImagesAreMirrored) {
  int flipped = 0;
  for (int64_t step = 0; step < 1000; ++step) {
    flipped += Draw("flip: AT_RANDOM", Image(10, 10), step).flipped;
  }
  // Standard deviation 15.8.
  EXPECT_NEAR(flipped, 500, 80);
  EXPECT_FALSE(EvaluationTransform(Config("flip: AT_RANDOM"), Image(10, 10))->flipped);
  EXPECT_FALSE(Draw("flip: DOUBLE_DATASET", Image(10, 10)).flipped);
}

TEST(SampleTransformTest, HalfOfTheImagesAreFlippedVerticallyIndependently) {
  int upside_down = 0, both = 0;
  for (int64_t step = 0; step < 1000; ++step) {
    const auto transform = Draw("flip: AT_RANDOM flip_vertically: true", Image(10, 10), step);
    upside_down += transform.flipped_vertically;
    both += transform.flipped_vertically && transform.flipped;
  }
  // Standard deviations 15.8 and 13.7.
  EXPECT_NEAR(upside_down, 500, 80);
  EXPECT_NEAR(both, 250, 70);
  const TransformConfig config = Config("flip_vertically: true");
  EXPECT_FALSE(EvaluationTransform(config, Image(10, 10))->flipped_vertically);
  EXPECT_FALSE(Draw("flip: AT_RANDOM", Image(10, 10), 1).flipped_vertically);
}

TEST(SampleTransformTest, JitterIsDrawnWithinItsRangeAndNotInEvaluation) {
  const std::string text = "jitter { probability: 0.5 brightness: 0.25 }";
  int changed = 0;
  double least = 2, most = 0;
  for (int64_t step = 0; step < 1000; ++step) {
    const SampleTransform transform = Draw(text, Image(10, 10), step);
    if (!transform.color) continue;
    ++changed;
    least = std::min(least, transform.color->rows[1][1]);
    most = std::max(most, transform.color->rows[1][1]);
  }
  EXPECT_NEAR(changed, 500, 80);
  EXPECT_GE(least, 0.75 - 1e-12);
  EXPECT_LT(least, 0.77);
  EXPECT_LE(most, 1.25 + 1e-12);
  EXPECT_GT(most, 1.23);
  EXPECT_FALSE(EvaluationTransform(Config(text), Image(10, 10))->color.has_value());
}

TEST(SampleTransformTest, OneOptionDoesNotChangeOtherDraws) {
  for (int64_t step = 0; step < 50; ++step) {
    const bool alone = Draw("flip: AT_RANDOM", Image(20, 10), step).flipped;
    EXPECT_EQ(Draw("flip: AT_RANDOM flip_vertically: true jitter { hue_degrees: 20 } "
                   "resize { shortest_side_px: [8, 16] }",
                   Image(20, 10), step)
                  .flipped,
              alone);
  }
}

TEST(SampleTransformTest, InputsThatAreTooLargeAreErrorsThatNameTheImage) {
  const absl::Status status =
      EvaluationTransform(Config("resize { shortest_side_px: 600 }"), Image(1, 60000)).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("a.jpg: 1 x 60000 pixels become 600 x ")));
  EXPECT_THAT(EvaluationTransform(Config("resize { shortest_side_px: 600 }"), Image(0, 10)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a.jpg: ")));
}

TEST(SampleTransformTest, ValuesOutOfRangeAreErrorsThatNameTheField) {
  const auto check = [](const std::string& text) { return CheckTransformConfig(Config(text)); };
  EXPECT_THAT(check("resize { shortest_side_px: 600 longest_side_px: 1000 } flip: AT_RANDOM"),
              IsOk());
  EXPECT_THAT(
      check("resize { shortest_side_px: [600, 0] }"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("resize.shortest_side_px is 0")));
  EXPECT_THAT(check("resize {}"), StatusIs(absl::StatusCode::kInvalidArgument,
                                           HasSubstr("resize.shortest_side_px is not set")));
  EXPECT_THAT(
      check("resize { shortest_side_px: 6 longest_side_px: -1 }"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("resize.longest_side_px is -1")));
  EXPECT_THAT(check("pad_to_multiple_px: 0"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("pad_to_multiple_px is 0")));
  EXPECT_THAT(check("jitter { probability: 1.5 }"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("jitter.probability is 1.5")));
  EXPECT_THAT(check("jitter { brightness: -0.1 }"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("jitter.brightness is -0.1")));
  EXPECT_THAT(check("jitter { contrast: 2 }"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("jitter.contrast is 2")));
  EXPECT_THAT(check("jitter { saturation: nan }"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("jitter.saturation is nan")));
  EXPECT_THAT(check("jitter { hue_degrees: 181 }"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("jitter.hue_degrees is 181")));
}

}  // namespace
}  // namespace rcnn::data

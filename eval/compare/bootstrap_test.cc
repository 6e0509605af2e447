#include "rcnn/eval/compare/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/stream_key.h"
#include "rcnn/base/testing/instruction_levels.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/eval/coco_eval.h"
#include "rcnn/eval/coco_summary.h"
#include "rcnn/eval/testing/random_case.h"

namespace rcnn::eval {
namespace {

using ::testing::HasSubstr;

// Several random cases in one dataset, with scores that all differ.
testing::RandomCase ManyImages(uint64_t seed) {
  testing::RandomCase all;
  all.truth.categories = {{1, "a"}, {2, "b"}};
  RandomStream random({.seed = seed, .stage = "test", .step = 0, .purpose = "case"});
  int64_t id = 1;
  for (int64_t image = 1; image <= 30; ++image) {
    all.truth.images.push_back({image, ""});
    for (int64_t n = random.UniformInt(4); n-- > 0;) {
      const XywhBox box = {random.Uniform(0, 200), random.Uniform(0, 200), random.Uniform(20, 90),
                           random.Uniform(20, 90)};
      all.truth.annotations.push_back({.id = id++,
                                       .image_id = image,
                                       .category_id = 1 + random.UniformInt(2),
                                       .box = box,
                                       .area = box.width * box.height});
      if (random.Bernoulli(0.8)) {
        XywhBox near = box;
        near.x += random.Uniform(-12, 12);
        all.detections.Add({.image_id = image,
                            .category_id = all.truth.annotations.back().category_id,
                            .box = near,
                            .score = random.Uniform(0.2, 1)});
      }
    }
    for (int64_t n = random.UniformInt(3); n-- > 0;) {
      all.detections.Add({.image_id = image,
                          .category_id = 1 + random.UniformInt(2),
                          .box = {random.Uniform(0, 200), random.Uniform(0, 200), 40, 40},
                          .score = random.Uniform(0, 0.8)});
    }
  }
  return all;
}

Detections Worse(const Detections& detections, double shift) {
  Detections worse = detections;
  for (XywhBox& box : worse.boxes) box.x += shift;
  return worse;
}

// AP of a draw by writing the drawn images out, each copy as an image of its own.
double ApOfDraw(const GroundTruth& truth, const Detections& detections,
                const std::vector<int64_t>& drawn) {
  GroundTruth resampled;
  resampled.categories = truth.categories;
  Detections found;
  int64_t id = 1;
  for (size_t copy = 0; copy < drawn.size(); ++copy) {
    const auto image = static_cast<int64_t>(copy) + 1;
    resampled.images.push_back({image, ""});
    for (Annotation annotation : truth.annotations) {
      if (annotation.image_id != truth.images[drawn[copy]].id) continue;
      annotation.id = id++;
      annotation.image_id = image;
      resampled.annotations.push_back(annotation);
    }
    for (int64_t d = 0; d < detections.size(); ++d) {
      if (detections.image_ids[d] != truth.images[drawn[copy]].id) continue;
      Detection detection = detections[d];
      detection.image_id = image;
      found.Add(detection);
    }
  }
  const auto evaluation = EvaluateCoco(resampled, found);
  EXPECT_THAT(evaluation, IsOk());
  return AveragePrecision(*evaluation, {});
}

TEST(BootstrapTest, IntervalEqualsThatOfEvaluatingEachDraw) {
  const testing::RandomCase random = ManyImages(3);
  const Detections other = Worse(random.detections, 6);
  CompareOptions options;
  options.resamples = 40;
  options.confidence = 0.8;
  options.threads = 2;
  const auto comparison = CompareDetections(random.truth, random.detections, other, options);
  ASSERT_THAT(comparison, IsOk());
  std::vector<double> differences;
  const auto images = static_cast<int64_t>(random.truth.images.size());
  for (int64_t draw = 0; draw < options.resamples; ++draw) {
    RandomStream stream(
        {.seed = options.seed, .stage = "compare", .step = draw, .purpose = "images"});
    std::vector<int64_t> drawn;
    for (int64_t n = 0; n < images; ++n) drawn.push_back(stream.UniformInt(images));
    differences.push_back(ApOfDraw(random.truth, other, drawn) -
                          ApOfDraw(random.truth, random.detections, drawn));
  }
  std::sort(differences.begin(), differences.end());
  constexpr double kTolerance = 1e-6;  // of 32-bit floats
  EXPECT_NEAR(comparison->ap.low, differences[3] + 0.9 * (differences[4] - differences[3]),
              kTolerance);
  EXPECT_NEAR(comparison->ap.high, differences[35] + 0.1 * (differences[36] - differences[35]),
              kTolerance);
}

class BootstrapLevelTest : public InstructionLevelTest {};

INSTANTIATE_TEST_SUITE_P(Levels, BootstrapLevelTest, LevelsFrom(InstructionLevel::kPortable),
                         LevelName);

TEST_P(BootstrapLevelTest, HasTheNumbersOfEveryOtherLevel) {
  const testing::RandomCase random = ManyImages(3);
  CompareOptions options;
  options.resamples = 40;
  const auto compare = [&] {
    const auto result =
        CompareDetections(random.truth, random.detections, Worse(random.detections, 6), options);
    EXPECT_THAT(result, IsOk());
    return std::pair(result->ap.low, result->ap.high);
  };
  const std::pair<double, double> interval = compare();
  const ScopedInstructionLevel level(InstructionLevel::kPortable);
  EXPECT_EQ(compare(), interval);
}

TEST(BootstrapTest, TheNumbersAreCocos) {
  const testing::RandomCase random = ManyImages(4);
  const Detections other = Worse(random.detections, 3);
  const auto comparison = CompareDetections(random.truth, random.detections, other, {});
  ASSERT_THAT(comparison, IsOk());
  const auto evaluation = EvaluateCoco(random.truth, other);
  ASSERT_THAT(evaluation, IsOk());
  EXPECT_EQ(comparison->ap.b, AveragePrecision(*evaluation, {}));
  EXPECT_EQ(comparison->ap75.b, AveragePrecision(*evaluation, {.iou_threshold = 0.75}));
  EXPECT_EQ(comparison->classes[1].b, AveragePrecision(*evaluation, {.category = 1}));
  EXPECT_LT(comparison->ap.low, comparison->ap.difference());
  EXPECT_GT(comparison->ap.high, comparison->ap.difference());
}

TEST(BootstrapTest, EqualResultsDoNotDiffer) {
  const testing::RandomCase random = ManyImages(5);
  const auto comparison =
      CompareDetections(random.truth, random.detections, random.detections, {.resamples = 50});
  ASSERT_THAT(comparison, IsOk());
  EXPECT_EQ(comparison->ap.difference(), 0);
  EXPECT_EQ(comparison->ap.low, 0);
  EXPECT_EQ(comparison->ap.high, 0);
  EXPECT_EQ(comparison->ap.b_better, 0.5);
  EXPECT_FALSE(comparison->ap.significant());
}

TEST(BootstrapTest, LosingEveryObjectIsSignificantAndItsImagesComeFirst) {
  const testing::RandomCase random = ManyImages(6);
  const auto comparison = CompareDetections(random.truth, random.detections, {}, {});
  ASSERT_THAT(comparison, IsOk());
  EXPECT_TRUE(comparison->ap.significant());
  EXPECT_EQ(comparison->ap.b_better, 0);
  const ImageChange& first = comparison->images.front();
  const ImageChange& last = comparison->images.back();
  EXPECT_GE(std::abs(first.b - first.a), std::abs(last.b - last.a));
  EXPECT_GT(first.a, 0.5);
  EXPECT_EQ(first.b, 0);
}

TEST(BootstrapTest, DoesNotDependOnThreads) {
  const testing::RandomCase random = ManyImages(7);
  const Detections other = Worse(random.detections, 4);
  const auto one =
      CompareDetections(random.truth, random.detections, other, {.resamples = 100, .threads = 1});
  const auto three =
      CompareDetections(random.truth, random.detections, other, {.resamples = 100, .threads = 3});
  ASSERT_THAT(one, IsOk());
  ASSERT_THAT(three, IsOk());
  EXPECT_EQ(one->ap.low, three->ap.low);
  EXPECT_EQ(one->classes[0].high, three->classes[0].high);
}

TEST(BootstrapTest, IsNotANumberWithoutObjects) {
  const auto comparison = CompareDetections({}, {}, {}, {});
  ASSERT_THAT(comparison, IsOk());
  EXPECT_TRUE(std::isnan(comparison->ap.difference()));
  EXPECT_TRUE(std::isnan(comparison->ap.low));
}

TEST(BootstrapTest, RejectsInvalidOptionsAndDetections) {
  const auto code = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(CompareDetections({}, {}, {}, {.resamples = 5}),
              StatusIs(code, HasSubstr("resamples is 5")));
  EXPECT_THAT(CompareDetections({}, {}, {}, {.resamples = int64_t{1} << 62}),
              StatusIs(code, HasSubstr("not from 20 to 100000")));
  EXPECT_THAT(CompareDetections({}, {}, {}, {.confidence = 1}),
              StatusIs(code, HasSubstr("confidence is 1")));
  Detections unknown;
  unknown.Add({.image_id = 7, .category_id = 1, .box = {}, .score = 0.5});
  EXPECT_THAT(CompareDetections({}, {}, unknown, {}), StatusIs(code, HasSubstr("the second")));
}

}  // namespace
}  // namespace rcnn::eval

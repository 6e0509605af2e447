#include "rcnn/eval/coco_eval.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "absl/status/status.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/base/testing/test_seed.h"
#include "rcnn/eval/coco_summary.h"
#include "rcnn/eval/testing/coco_reference.h"
#include "rcnn/eval/testing/golden_cases.h"
#include "rcnn/eval/testing/random_case.h"

namespace rcnn::eval {
namespace {

using ::rcnn::eval::testing::ArrayDigest;
using ::rcnn::eval::testing::CocoArrays;
using ::rcnn::eval::testing::CocoReference;
using ::rcnn::eval::testing::GoldenCase;
using ::rcnn::eval::testing::MakeRandomCase;
using ::rcnn::eval::testing::RandomCase;
using ::testing::AllOf;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

CocoEvaluation Evaluate(const GroundTruth& truth, const Detections& detections,
                        const CocoEvalOptions& options = {}) {
  absl::StatusOr<CocoEvaluation> evaluation = EvaluateCoco(truth, detections, options);
  EXPECT_THAT(evaluation, IsOk());
  return *std::move(evaluation);
}

CocoArrays ToArrays(const CocoEvaluation& evaluation) {
  return {evaluation.PrecisionArray(), evaluation.ScoreArray(), evaluation.recall};
}

void ExpectSame(const CocoEvaluation& evaluation, const CocoArrays& expected) {
  const CocoArrays arrays = ToArrays(evaluation);
  EXPECT_EQ(arrays.precision, expected.precision);
  EXPECT_EQ(arrays.recall, expected.recall);
  EXPECT_EQ(arrays.scores, expected.scores);
}

TEST(CocoEvalTest, EqualsPycocotoolsOnGoldenCases) {
  auto cases = testing::ReadGoldenCases("eval/testdata/coco_eval_cases.json");
  ASSERT_THAT(cases, IsOk());
  ASSERT_EQ(cases->size(), 240u);
  for (const GoldenCase& golden : *cases) {
    SCOPED_TRACE(golden.name);
    const CocoEvaluation evaluation = Evaluate(golden.truth, golden.detections);
    EXPECT_THAT(Summarize(evaluation).stats, ElementsAreArray(golden.stats));
    EXPECT_EQ(ArrayDigest(evaluation.PrecisionArray()), golden.precision_sha256);
    EXPECT_EQ(ArrayDigest(evaluation.recall), golden.recall_sha256);
    EXPECT_EQ(ArrayDigest(evaluation.ScoreArray()), golden.scores_sha256);
  }
}

TEST(CocoEvalTest, EqualsReferenceOnRandomCases) {
  for (uint64_t seed = TestSeed(); seed < TestSeed() + 300; ++seed) {
    SCOPED_TRACE(seed);
    const RandomCase random = MakeRandomCase(seed);
    ExpectSame(Evaluate(random.truth, random.detections),
               CocoReference(random.truth, random.detections));
  }
}

TEST(CocoEvalTest, EqualsReferenceWithCustomOptions) {
  CocoEvalOptions options;
  options.iou_thresholds = {1.0, 0.3, 0.0, 0.75};
  options.recall_thresholds = {0, 0.25, 1.0 / 3, 0.5, 1.0};
  options.areas = {{"tiny", 0, 64}, {"rest", 64, 1e5}, {"exact", 1024, 1024}};
  options.max_detections = {2, 3, 7, 500};
  for (uint64_t seed = TestSeed(); seed < TestSeed() + 100; ++seed) {
    SCOPED_TRACE(seed);
    const RandomCase random = MakeRandomCase(seed);
    ExpectSame(Evaluate(random.truth, random.detections, options),
               CocoReference(random.truth, random.detections, options));
  }
}

TEST(CocoEvalTest, EqualsReferenceWithManyThresholds) {
  CocoEvalOptions options;
  options.iou_thresholds.clear();
  for (int t = 0; t < 130; ++t) options.iou_thresholds.push_back(t / 130.0);
  options.recall_thresholds = {0, 0.5, 1};
  for (uint64_t seed = TestSeed(); seed < TestSeed() + 20; ++seed) {
    SCOPED_TRACE(seed);
    const RandomCase random = MakeRandomCase(seed);
    ExpectSame(Evaluate(random.truth, random.detections, options),
               CocoReference(random.truth, random.detections, options));
  }
}

// Boxes whose areas are too small for a double, so that IoUs are NaN.
TEST(CocoEvalTest, EqualsReferenceWithIousThatAreNaN) {
  for (uint64_t seed = TestSeed(); seed < TestSeed() + 50; ++seed) {
    SCOPED_TRACE(seed);
    RandomCase random = MakeRandomCase(seed);
    auto shrink = [](XywhBox& box) {
      box = {box.x * 1e-170, box.y * 1e-170, box.width * 1e-170, box.height * 1e-170};
    };
    for (size_t i = 0; i < random.truth.annotations.size(); i += 2) {
      shrink(random.truth.annotations[i].box);
    }
    for (int64_t i = 0; i < random.detections.size(); i += 2) shrink(random.detections.boxes[i]);
    ExpectSame(Evaluate(random.truth, random.detections),
               CocoReference(random.truth, random.detections));
  }
}

TEST(CocoEvalTest, OrderOfImagesAndOfDistinctScoresChangesNothing) {
  for (uint64_t seed = TestSeed(); seed < TestSeed() + 30; ++seed) {
    SCOPED_TRACE(seed);
    RandomCase random = MakeRandomCase(seed, {.equal_scores = false});
    const CocoEvaluation before = Evaluate(random.truth, random.detections);
    std::vector<int64_t> order(random.detections.size());
    std::iota(order.begin(), order.end(), 0);
    std::mt19937_64 generator(seed);
    std::shuffle(order.begin(), order.end(), generator);
    Detections shuffled;
    for (int64_t i : order) shuffled.Add(random.detections[i]);
    std::shuffle(random.truth.images.begin(), random.truth.images.end(), generator);
    random.truth.Normalize();
    std::stable_sort(
        random.truth.annotations.begin(), random.truth.annotations.end(),
        [](const Annotation& a, const Annotation& b) { return a.image_id % 7 < b.image_id % 7; });
    ExpectSame(Evaluate(random.truth, shuffled), ToArrays(before));
  }
}

TEST(CocoEvalTest, NumberOfThreadsChangesNothing) {
  const RandomCase random = MakeRandomCase(TestSeed());
  ExpectSame(Evaluate(random.truth, random.detections, {.threads = 1}),
             ToArrays(Evaluate(random.truth, random.detections, {.threads = 5})));
}

GroundTruth OneImageTruth() {
  GroundTruth truth;
  truth.images = {{1, ""}};
  truth.categories = {{1, "a"}, {2, "b"}};
  truth.annotations = {{1, 1, 1, {10, 10, 40, 40}, 1600}};
  return truth;
}

TEST(CocoEvalTest, PerfectBoxGivesOneMinusEpsilon) {
  Detections detections;
  detections.Add({1, 1, {10, 10, 40, 40}, 0.9});
  const CocoEvaluation evaluation = Evaluate(OneImageTruth(), detections);
  // 1 / (1 + 2^-52) rounds to the double below 1.
  EXPECT_EQ(Summarize(evaluation).ap(), 1 - std::numeric_limits<double>::epsilon());
  EXPECT_EQ(evaluation.detection_counts[0], 1);
  EXPECT_EQ(evaluation.annotation_counts[0], 1);
}

TEST(CocoEvalTest, NoDetectionsGiveZero) {
  const CocoSummary summary = Summarize(Evaluate(OneImageTruth(), {}));
  EXPECT_EQ(summary.ap(), 0);
  EXPECT_EQ(summary.stats[8], 0);
  EXPECT_EQ(summary.stats[3], -1) << "there is no small object";
}

TEST(CocoEvalTest, EmptyDatasetGivesMinusOne) {
  const CocoEvaluation evaluation = Evaluate({}, {});
  EXPECT_TRUE(evaluation.PrecisionArray().empty());
  for (double stat : Summarize(evaluation).stats) EXPECT_EQ(stat, -1);
}

TEST(CocoEvalTest, ClassWithoutAnnotationsIsLeftOut) {
  Detections detections;
  detections.Add({1, 1, {10, 10, 40, 40}, 0.9});
  detections.Add({1, 2, {10, 10, 40, 40}, 0.9});
  const CocoEvaluation evaluation = Evaluate(OneImageTruth(), detections);
  EXPECT_EQ(AveragePrecision(evaluation, {.category = 1}), -1);
  EXPECT_GT(Summarize(evaluation).ap(), 0.999);
}

TEST(CocoEvalTest, AnnotationIdZeroCountsAsUnmatched) {
  GroundTruth truth = OneImageTruth();
  truth.annotations[0].id = 0;
  Detections detections;
  detections.Add({1, 1, {10, 10, 40, 40}, 0.9});
  EXPECT_EQ(Summarize(Evaluate(truth, detections)).ap(), 0);
}

TEST(CocoEvalTest, ZeroAreaAnnotationIsNeverFoundAndCounts) {
  GroundTruth truth = OneImageTruth();
  truth.annotations.push_back({2, 1, 1, {60, 60, 0, 0}, 0});
  Detections detections;
  detections.Add({1, 1, {10, 10, 40, 40}, 0.9});
  detections.Add({1, 1, {60, 60, 0, 0}, 0.8});
  const CocoEvaluation evaluation = Evaluate(truth, detections);
  EXPECT_EQ(AverageRecall(evaluation, {}), 0.5);
}

TEST(CocoEvalTest, SkipsUnlistedCategoriesAndAnnotationsOfUnlistedImages) {
  GroundTruth truth = OneImageTruth();
  Detections detections;
  detections.Add({1, 1, {12, 10, 40, 40}, 0.9});
  const CocoEvaluation before = Evaluate(truth, detections);
  truth.annotations.push_back({2, 77, 1, {0, 0, 5, 5}, 25});
  truth.annotations.push_back({3, 1, 99, {0, 0, 5, 5}, 25});
  detections.Add({1, 99, {10, 10, 40, 40}, 0.95});
  ExpectSame(Evaluate(truth, detections), ToArrays(before));
}

TEST(CocoEvalTest, NamesTheDetectionOfAnUnknownImageAndTheBadScore) {
  Detections detections;
  detections.Add({1, 1, {10, 10, 40, 40}, 0.9});
  detections.Add({5, 1, {10, 10, 40, 40}, 0.9});
  absl::Status status = EvaluateCoco(OneImageTruth(), detections).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(HasSubstr("detection 1"), HasSubstr("image_id 5"))));
  detections.image_ids[1] = 1;
  detections.scores[1] = std::numeric_limits<double>::quiet_NaN();
  status = EvaluateCoco(OneImageTruth(), detections).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("detection 1")));
}

TEST(CocoEvalTest, RejectsBadOptions) {
  const struct {
    CocoEvalOptions options;
    const char* message;
  } kCases[] = {
      {{.iou_thresholds = {}}, "iou_thresholds is empty"},
      {{.iou_thresholds = {1.5}}, "1.5"},
      {{.recall_thresholds = {}}, "recall_thresholds is empty"},
      {{.recall_thresholds = {0.5, 0.1}}, "ascend"},
      {{.areas = {}}, "areas is empty"},
      {{.areas = {{"odd", 5, 3}}}, "odd"},
      {{.max_detections = {}}, "max_detections is empty"},
      {{.max_detections = {0}}, "max_detections has 0"},
  };
  for (const auto& bad : kCases) {
    const absl::Status status = EvaluateCoco(OneImageTruth(), {}, bad.options).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(bad.message)));
  }
}

}  // namespace
}  // namespace rcnn::eval

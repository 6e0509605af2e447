#include "rcnn/eval/coco_accumulate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "rcnn/eval/coco_matching.h"

namespace rcnn::eval {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

// Detections of scores 0.9, 0.8, ... with these areas, ranks and codes; a code of
// -1 touches nothing.
struct Row {
  double area;
  int64_t rank;
  int code;
};

// One category, one area range [0, 100], one IoU threshold.
CocoEvaluation Accumulate(const std::vector<Row>& rows, int64_t positives,
                          std::vector<double> recalls, std::vector<int64_t> max_detections) {
  CocoEvaluation evaluation;
  evaluation.options = {.iou_thresholds = {0.5},
                        .recall_thresholds = std::move(recalls),
                        .areas = {{"some", 0, 100}},
                        .max_detections = std::move(max_detections)};
  evaluation.categories = {{1, "cat"}};
  evaluation.curves.resize(1);
  evaluation.recall.assign(evaluation.M(), -1);
  CategoryAccumulator accumulator(evaluation.options);
  // State of the previous category has no effect.
  accumulator.AddDetection(2, 0, 50);
  accumulator.AddMatch({1}, {0});
  accumulator.StartCategory();
  double score = 0.9;
  for (const Row& row : rows) {
    accumulator.AddDetection(score, row.rank, row.area);
    score -= 0.1;
    if (row.code >= 0)
      accumulator.AddMatch({row.code == kTruePositive}, {row.code == kIgnoredMatch});
  }
  accumulator.Write(0, {positives}, evaluation);
  return evaluation;
}

TEST(CategoryAccumulatorTest, WithoutPositivesNothingIsWritten) {
  const CocoEvaluation evaluation = Accumulate({{50, 0, -1}}, /*positives=*/0, {0, 1}, {100});
  EXPECT_THAT(evaluation.PrecisionArray(), Each(-1));
  EXPECT_THAT(evaluation.recall, Each(-1));
}

TEST(CategoryAccumulatorTest, WithoutDetectionsAllIsZero) {
  const CocoEvaluation evaluation = Accumulate({}, 3, {0, 1}, {100});
  EXPECT_THAT(evaluation.PrecisionArray(), Each(0));
  EXPECT_THAT(evaluation.ScoreArray(), Each(0));
  EXPECT_THAT(evaluation.recall, Each(0));
}

TEST(CategoryAccumulatorTest, PrecisionIsTheBestAtThatRecallOrBeyond) {
  // Hit, miss, hit, miss, hit of four objects: 1, 2/3, 3/5 at recalls 1/4 to 3/4.
  const CocoEvaluation evaluation = Accumulate({{50, 0, kTruePositive},
                                                {50, 1, -1},
                                                {50, 2, kTruePositive},
                                                {50, 3, kNoMatch},
                                                {50, 4, kTruePositive}},
                                               4, {0, 0.25, 0.26, 0.5, 0.75, 0.76}, {100});
  const double first = 1 / (1 + kEpsilon);
  EXPECT_THAT(evaluation.PrecisionArray(), ElementsAre(first, first, 2. / 3, 2. / 3, 3. / 5, 0));
  EXPECT_THAT(evaluation.recall, ElementsAre(0.75));
  EXPECT_EQ(evaluation.ScoreArray()[1], 0.9);
  EXPECT_EQ(evaluation.ScoreArray()[5], 0);
}

TEST(CategoryAccumulatorTest, IgnoredDetectionsCountNeitherWay) {
  // Out of the area range and unmatched; matched with a crowd, in the range and
  // out of it; a true positive out of the range, which counts.
  const CocoEvaluation evaluation = Accumulate({{500, 0, -1},
                                                {500, 1, kNoMatch},
                                                {50, 2, kIgnoredMatch},
                                                {500, 3, kIgnoredMatch},
                                                {50, 4, -1},
                                                {500, 5, kTruePositive}},
                                               1, {1}, {100});
  EXPECT_THAT(evaluation.PrecisionArray(), ElementsAre(1. / 2));
  EXPECT_THAT(evaluation.recall, ElementsAre(1));
}

TEST(CategoryAccumulatorTest, OnlyTheBestRanksOfAnImageCount) {
  // Two images: ranks 0 and 1 of each. The third limit cuts nothing off.
  const CocoEvaluation evaluation =
      Accumulate({{50, 0, -1}, {50, 1, kTruePositive}, {50, 0, kTruePositive}, {50, 1, -1}}, 2,
                 {0.5}, {1, 2, 3});
  EXPECT_THAT(evaluation.PrecisionArray(), ElementsAre(1. / 2, 2. / 3, 2. / 3));
  EXPECT_THAT(evaluation.recall, ElementsAre(0.5, 1, 1));
}

TEST(CategoryAccumulatorTest, FirstDetectionReachesRecallZero) {
  const CocoEvaluation evaluation =
      Accumulate({{50, 0, -1}, {50, 1, kNoMatch}}, 1, {0, 0.1}, {100});
  EXPECT_THAT(evaluation.PrecisionArray(), Each(0));
  EXPECT_THAT(evaluation.ScoreArray(), ElementsAre(0.9, 0));
}

}  // namespace
}  // namespace rcnn::eval

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

// One category, one area range [0, 100], one IoU threshold; all arrays -1.
CocoEvaluation Empty(std::vector<double> recalls, std::vector<int64_t> max_detections) {
  CocoEvaluation evaluation;
  evaluation.options = {.iou_thresholds = {0.5},
                        .recall_thresholds = std::move(recalls),
                        .areas = {{"some", 0, 100}},
                        .max_detections = std::move(max_detections)};
  evaluation.categories = {{1, "cat"}};
  evaluation.precision.assign(evaluation.R() * evaluation.M(), -1);
  evaluation.scores = evaluation.precision;
  evaluation.recall.assign(evaluation.M(), -1);
  return evaluation;
}

// Detections of scores 0.9, 0.8, ... with these areas, ranks and codes; a code of
// -1 touches nothing.
struct Row {
  double area;
  int32_t rank;
  int code;
};

RankedCategory Ranked(const std::vector<Row>& rows) {
  RankedCategory ranked;
  double score = 0.9;
  for (const Row& row : rows) {
    const bool touches = row.code >= 0;
    ranked.detections.push_back({score, row.area, row.rank, touches ? 0 : -1});
    score -= 0.1;
    if (!touches) continue;
    ranked.events.push_back(static_cast<int64_t>(ranked.detections.size()) - 1);
    ranked.codes.push_back(static_cast<uint8_t>(row.code));
  }
  return ranked;
}

TEST(AccumulateCategoryTest, WithoutPositivesNothingIsWritten) {
  CocoEvaluation evaluation = Empty({0, 1}, {100});
  AccumulateCategory(Ranked({{50, 0, -1}}), 0, 0, /*positives=*/0, evaluation);
  EXPECT_THAT(evaluation.precision, Each(-1));
  EXPECT_THAT(evaluation.recall, Each(-1));
}

TEST(AccumulateCategoryTest, WithoutDetectionsAllIsZero) {
  CocoEvaluation evaluation = Empty({0, 1}, {100});
  AccumulateCategory({}, 0, 0, 3, evaluation);
  EXPECT_THAT(evaluation.precision, Each(0));
  EXPECT_THAT(evaluation.scores, Each(0));
  EXPECT_THAT(evaluation.recall, Each(0));
}

TEST(AccumulateCategoryTest, PrecisionIsTheBestAtThatRecallOrBeyond) {
  // Hit, miss, hit, miss, hit of four objects: 1, 2/3, 3/5 at recalls 1/4 to 3/4.
  CocoEvaluation evaluation = Empty({0, 0.25, 0.26, 0.5, 0.75, 0.76}, {100});
  AccumulateCategory(Ranked({{50, 0, kTruePositive},
                             {50, 1, -1},
                             {50, 2, kTruePositive},
                             {50, 3, kNoMatch},
                             {50, 4, kTruePositive}}),
                     0, 0, 4, evaluation);
  const double first = 1 / (1 + kEpsilon);
  EXPECT_THAT(evaluation.precision, ElementsAre(first, first, 2. / 3, 2. / 3, 3. / 5, 0));
  EXPECT_THAT(evaluation.recall, ElementsAre(0.75));
  EXPECT_EQ(evaluation.scores[1], 0.9);
  EXPECT_EQ(evaluation.scores[5], 0);
}

TEST(AccumulateCategoryTest, IgnoredDetectionsCountNeitherWay) {
  CocoEvaluation evaluation = Empty({1}, {100});
  // Out of the area range and unmatched; matched with a crowd, in the range and
  // out of it; a true positive out of the range, which counts.
  AccumulateCategory(Ranked({{500, 0, -1},
                             {500, 1, kNoMatch},
                             {50, 2, kIgnoredMatch},
                             {500, 3, kIgnoredMatch},
                             {50, 4, -1},
                             {500, 5, kTruePositive}}),
                     0, 0, 1, evaluation);
  EXPECT_THAT(evaluation.precision, ElementsAre(1. / 2));
  EXPECT_THAT(evaluation.recall, ElementsAre(1));
}

TEST(AccumulateCategoryTest, OnlyTheBestRanksOfAnImageCount) {
  CocoEvaluation evaluation = Empty({0.5}, {1, 2});
  // Two images: ranks 0 and 1 of each.
  AccumulateCategory(
      Ranked({{50, 0, -1}, {50, 1, kTruePositive}, {50, 0, kTruePositive}, {50, 1, -1}}), 0, 0, 2,
      evaluation);
  EXPECT_THAT(evaluation.precision, ElementsAre(1. / 2, 2. / 3));
  EXPECT_THAT(evaluation.recall, ElementsAre(0.5, 1));
}

TEST(AccumulateCategoryTest, FirstDetectionReachesRecallZero) {
  CocoEvaluation evaluation = Empty({0, 0.1}, {100});
  AccumulateCategory(Ranked({{50, 0, -1}, {50, 1, kNoMatch}}), 0, 0, 1, evaluation);
  EXPECT_THAT(evaluation.precision, Each(0));
  EXPECT_THAT(evaluation.scores, ElementsAre(0.9, 0));
}

}  // namespace
}  // namespace rcnn::eval

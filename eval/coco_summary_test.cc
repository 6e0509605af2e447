#include "rcnn/eval/coco_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace rcnn::eval {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// Every precision of (t, k, a, m) is t + 10 k + 100 a + 1000 m in thousandths,
// every recall half of that; those of the last category are -1.
CocoEvaluation Numbered(std::vector<int64_t> max_detections) {
  CocoEvaluation evaluation;
  evaluation.options.iou_thresholds = {0.5, 0.75};
  evaluation.options.recall_thresholds = {0, 0.5, 1};
  evaluation.options.max_detections = std::move(max_detections);
  evaluation.categories = {{1, "a"}, {2, "b"}, {3, "none"}};
  evaluation.curves.resize(evaluation.K());
  evaluation.recall.resize(evaluation.T() * evaluation.K() * evaluation.A() * evaluation.M());
  const std::vector<uint32_t> columns(evaluation.R(), 0);  // all recalls share one
  for (int64_t k = 0; k < evaluation.K(); ++k) {
    for (int64_t a = 0; a < evaluation.A(); ++a) {
      evaluation.curves[k].StartArea(a, columns, 1);
      for (int64_t m = 0; m < evaluation.M(); ++m) {
        std::vector<CurvePoint> points;
        for (int64_t t = 0; t < evaluation.T(); ++t) {
          const double value = k == 2 ? -1 : (t + 10. * k + 100. * a + 1000. * m) / 1000;
          evaluation.recall[evaluation.Index(t, k, a, m)] = k == 2 ? -1 : value / 2;
          points.push_back({value, 0});
        }
        evaluation.curves[k].AddTable(a, m, points);
      }
    }
  }
  return evaluation;
}

TEST(AveragePrecisionTest, TakesWhatIsSelectedAndSkipsMinusOne) {
  const CocoEvaluation evaluation = Numbered({1, 10, 100});
  EXPECT_DOUBLE_EQ(AveragePrecision(evaluation, {}), 2.0055);
  EXPECT_DOUBLE_EQ(AveragePrecision(evaluation, {.iou_threshold = 0.75}), 2.006);
  EXPECT_DOUBLE_EQ(AveragePrecision(evaluation, {.area = "medium"}), 2.2055);
  EXPECT_DOUBLE_EQ(AveragePrecision(evaluation, {.max_detections = 1}), 0.0055);
  EXPECT_DOUBLE_EQ(AveragePrecision(evaluation, {.category = 1}), 2.0105);
  EXPECT_DOUBLE_EQ(AverageRecall(evaluation, {.area = "large", .category = 0}), 2.3005 / 2);
}

TEST(AveragePrecisionTest, ValuesNotEvaluatedAreMinusOne) {
  const CocoEvaluation evaluation = Numbered({1, 10, 100});
  for (const CocoSelection& selection :
       {CocoSelection{.iou_threshold = 0.6}, CocoSelection{.area = "huge"},
        CocoSelection{.max_detections = 7}, CocoSelection{.category = 2}}) {
    EXPECT_EQ(AveragePrecision(evaluation, selection), -1);
    EXPECT_EQ(AverageRecall(evaluation, selection), -1);
  }
}

TEST(SummarizeTest, HasTheTwelveInTheirOrder) {
  const CocoSummary summary = Summarize(Numbered({1, 10, 100, 1000}));
  const double expected[] = {2.0055,     2.005,      2.006,      2.1055,
                             2.2055,     2.3055,     0.0055 / 2, 1.0055 / 2,
                             2.0055 / 2, 2.1055 / 2, 2.2055 / 2, 2.3055 / 2};
  for (size_t i = 0; i < 12; ++i) EXPECT_DOUBLE_EQ(summary.stats[i], expected[i]) << i;
}

TEST(SummarizeTest, ApIsAtAHundredDetectionsAndTheOthersAtTheLastOfFewerThanThree) {
  const CocoSummary summary = Summarize(Numbered({5}));
  EXPECT_EQ(summary.ap(), -1);
  EXPECT_DOUBLE_EQ(summary.ap50(), 0.005);
  EXPECT_DOUBLE_EQ(summary.stats[6], 0.0055 / 2);
  EXPECT_DOUBLE_EQ(summary.stats[8], 0.0055 / 2);
}

TEST(FormatSummaryTest, LooksLikeTheOfficialTable) {
  const CocoEvaluation evaluation = Numbered({1, 10, 100});
  const std::string text = FormatSummary(evaluation, Summarize(evaluation));
  EXPECT_THAT(text, StartsWith(" Average Precision  (AP) @[ IoU=0.50:0.75 | area=   all | "
                               "maxDets=100 ] = 2.006\n"
                               " Average Precision  (AP) @[ IoU=0.50      | area=   all | "
                               "maxDets=100 ] = 2.005\n"));
  EXPECT_THAT(text, HasSubstr(" Average Recall     (AR) @[ IoU=0.50:0.75 | area=   all | "
                              "maxDets=  1 ] = 0.003\n"));
}

}  // namespace
}  // namespace rcnn::eval

#include "rcnn/training/stages/measure.h"

#include <algorithm>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/testing/fake_dataset.h"
#include "rcnn/eval/coco_eval.h"
#include "rcnn/eval/coco_summary.h"
#include "rcnn/eval/dataset_ground_truth.h"
#include "rcnn/eval/metrics.h"
#include "rcnn/eval/metrics_report.h"
#include "rcnn/eval/proposal_recall.h"
#include "rcnn/eval/voc_eval.h"

namespace rcnn::training {
namespace {

using configs::ValidationConfig;
using data::Box;
using data::testing::FakeDataset;
using data::testing::FakeImage;
using data::testing::MakeObject;
using ::testing::ElementsAre;
using ::testing::Pair;

// COCO's metrics take the id 0 for "no match".
data::Object Numbered(int64_t id, const data::Box& box, int64_t label) {
  data::Object object = MakeObject(box, label);
  object.id = id;
  return object;
}

FakeDataset TwoImages() {
  data::Object difficult = Numbered(3, {50, 50, 70, 70}, 2);
  difficult.difficult = true;
  return FakeDataset(std::vector<FakeImage>{
      {100, 80, {Numbered(1, {10, 10, 50, 40}, 1), Numbered(2, {60, 20, 90, 60}, 2), difficult}},
      {100, 80, {Numbered(4, {20, 20, 60, 60}, 1)}}});
}

eval::Detections Some() {
  eval::Detections detections;
  detections.Add({100, 1, {10, 10, 40, 30}, 0.9});  // exact
  detections.Add({100, 2, {62, 20, 30, 40}, 0.8});  // shifted
  detections.Add({101, 1, {5, 5, 30, 30}, 0.7});    // beside
  detections.Add({101, 1, {22, 18, 40, 40}, 0.6});
  return detections;
}

TEST(MeasureTest, DetectionNumbersAreThoseOfTheMetrics) {
  const FakeDataset dataset = TwoImages();
  const auto report = MeasureDetections(dataset, Some());
  ASSERT_THAT(report, IsOk());
  EXPECT_EQ(report->images, 2);
  const eval::GroundTruth truth = eval::FromDataset(dataset);
  const eval::CocoSummary coco = eval::Summarize(eval::EvaluateCoco(truth, Some()).value());
  const double voc07 = eval::EvaluateVoc(truth, Some())->MeanAp07();
  EXPECT_GT(coco.ap(), 0.1);
  EXPECT_LT(coco.ap(), coco.ap50());
  EXPECT_THAT(DetectionNumbers(*report, ValidationConfig::AP),
              ElementsAre(Pair("ap", coco.ap()), Pair("ap50", coco.ap50()),
                          Pair("ap75", coco.ap75()), Pair("voc07", voc07)));
}

TEST(MeasureTest, NamesAreThoseOfTheReport) {
  const auto report = MeasureDetections(TwoImages(), Some()).value();
  const std::vector<eval::Metric> metrics = eval::ReportMetrics(report);
  for (const auto& [name, value] : DetectionNumbers(report, ValidationConfig::AP)) {
    const auto found = std::find_if(metrics.begin(), metrics.end(),
                                    [n = name](const eval::Metric& m) { return m.name == n; });
    ASSERT_NE(found, metrics.end()) << name;
    EXPECT_EQ(found->value, value) << name;
  }
}

TEST(MeasureTest, ProposalsAreMeasuredUpToTheirNumber) {
  std::vector<InferredProposals> proposals(2);
  // The first image's second object needs its fifth proposal.
  proposals[0].boxes = {
      {10, 10, 50, 40}, {0, 0, 5, 5}, {0, 0, 6, 6}, {0, 0, 7, 7}, {60, 20, 90, 60}};
  const eval::ProposalRecall recall = MeasureProposals(TwoImages(), proposals);
  EXPECT_THAT(recall.options.counts, ElementsAre(1, 3, 10));
  EXPECT_DOUBLE_EQ(recall.AverageRecall(0, 0), 1. / 3);
  EXPECT_DOUBLE_EQ(recall.AverageRecall(0, 1), 1. / 3);
  EXPECT_DOUBLE_EQ(recall.AverageRecall(0, 2), 2. / 3);
  EXPECT_THAT(MeasureProposals(TwoImages(), {{}, {}}).options.counts, ElementsAre(1));
}

TEST(MeasureTest, RequestedMetricComesFirst) {
  const FakeDataset dataset = TwoImages();
  const auto report = MeasureDetections(dataset, Some()).value();
  const auto first = [&](ValidationConfig::Metric metric) {
    const auto numbers = DetectionNumbers(report, metric);
    EXPECT_EQ(numbers.size(), 4u);
    return numbers.front().first;
  };
  EXPECT_EQ(first(ValidationConfig::AP), "ap");
  EXPECT_EQ(first(ValidationConfig::AP50), "ap50");
  EXPECT_EQ(first(ValidationConfig::AP75), "ap75");
  EXPECT_EQ(first(ValidationConfig::VOC07), "voc07");
  EXPECT_EQ(ProposalNumbers(dataset, {{}, {}}, ValidationConfig::RECALL50_300).front().first,
            "recall50_300");
}

// Three objects count, the difficult one does not. IoU 1 of the first, 28/32 of the
// second as the 150th proposal, none of the third.
TEST(MeasureTest, ProposalNumbersByHand) {
  const FakeDataset dataset = TwoImages();
  InferredProposals first, second;
  first.boxes.assign(150, Box{0, 0, 5, 5});
  first.boxes[0] = {10, 10, 50, 40};
  first.boxes[149] = {62, 20, 92, 60};
  first.scores.assign(150, 0.5f);
  const auto numbers = ProposalNumbers(dataset, {first, second}, ValidationConfig::AR_100);
  // 28/32 = 0.875 is at least 0.5, ..., 0.85: eight of ten thresholds.
  EXPECT_EQ(numbers[0].first, "ar_100");
  EXPECT_NEAR(numbers[0].second, 1.0 / 3, 1e-12);
  EXPECT_EQ(numbers[1].first, "ar_300");
  EXPECT_NEAR(numbers[1].second, 1.8 / 3, 1e-12);
  EXPECT_EQ(numbers[2].first, "recall50_300");
  EXPECT_NEAR(numbers[2].second, 2.0 / 3, 1e-12);
}

TEST(MeasureTest, RejectsDetectionsOfAnotherDataset) {
  eval::Detections other;
  other.Add({7, 1, {1, 1, 2, 2}, 0.5});
  EXPECT_THAT(MeasureDetections(TwoImages(), other), ::testing::Not(IsOk()));
}

}  // namespace
}  // namespace rcnn::training

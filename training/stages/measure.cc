#include "rcnn/training/stages/measure.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/eval/coco_eval.h"
#include "rcnn/eval/coco_summary.h"
#include "rcnn/eval/dataset_ground_truth.h"
#include "rcnn/eval/voc_eval.h"

namespace rcnn::training {
namespace {

using configs::ValidationConfig;

// Moves the number named by `metric` to the front.
std::vector<std::pair<std::string, double>> InFront(
    std::vector<std::pair<std::string, double>> numbers, ValidationConfig::Metric metric) {
  const std::string name = absl::AsciiStrToLower(ValidationConfig::Metric_Name(metric));
  const auto found = std::find_if(numbers.begin(), numbers.end(),
                                  [&](const auto& number) { return number.first == name; });
  if (found != numbers.end()) std::rotate(numbers.begin(), found, found + 1);
  return numbers;
}

eval::ProposalRecall MeasureAt(const data::Dataset& dataset,
                               const std::vector<InferredProposals>& proposals,
                               std::vector<int64_t> counts) {
  std::vector<eval::RecallImage> images(proposals.size());
  for (size_t i = 0; i < proposals.size(); ++i) {
    images[i].proposals = proposals[i].boxes;
    for (const data::Object& object : dataset.objects(static_cast<int64_t>(i))) {
      if (object.crowd || object.difficult) continue;
      images[i].objects.push_back(object.box);
      images[i].areas.push_back(object.area);
    }
  }
  eval::ProposalRecallOptions options;
  options.counts = std::move(counts);
  options.inclusive_boxes = dataset.inclusive_boxes();
  return eval::MeasureRecall(images, options);
}

}  // namespace

absl::StatusOr<eval::Report> MeasureDetections(const data::Dataset& dataset,
                                               const eval::Detections& detections) {
  const eval::GroundTruth truth = eval::FromDataset(dataset);
  eval::Report report;
  report.images = dataset.size();
  RCNN_ASSIGN_OR_RETURN(report.coco, eval::EvaluateCoco(truth, detections));
  RCNN_ASSIGN_OR_RETURN(report.voc, eval::EvaluateVoc(truth, detections));
  report.voc07 = true;
  return report;
}

std::vector<std::pair<std::string, double>> DetectionNumbers(const eval::Report& report,
                                                             ValidationConfig::Metric metric) {
  const eval::CocoSummary summary = eval::Summarize(*report.coco);
  return InFront({{"ap", summary.ap()},
                  {"ap50", summary.ap50()},
                  {"ap75", summary.ap75()},
                  {"voc07", report.voc->MeanAp07()}},
                 metric);
}

eval::ProposalRecall MeasureProposals(const data::Dataset& dataset,
                                      const std::vector<InferredProposals>& proposals) {
  size_t most = 1;
  for (const InferredProposals& image : proposals) most = std::max(most, image.boxes.size());
  std::vector<int64_t> counts;
  for (int64_t count : {1, 3, 10, 30, 100, 300, 1000, 3000, 10000}) {
    counts.push_back(count);
    if (count >= static_cast<int64_t>(most)) break;
  }
  return MeasureAt(dataset, proposals, std::move(counts));
}

std::vector<std::pair<std::string, double>> ProposalNumbers(
    const data::Dataset& dataset, const std::vector<InferredProposals>& proposals,
    ValidationConfig::Metric metric) {
  const eval::ProposalRecall recall = MeasureAt(dataset, proposals, {100, 300});
  return InFront({{"ar_100", recall.AverageRecall(0, 0)},
                  {"ar_300", recall.AverageRecall(0, 1)},
                  {"recall50_300", recall.Recall(0, 1, 0)}},
                 metric);
}

}  // namespace rcnn::training

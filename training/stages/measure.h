// The metrics of validation and evaluation: scores detections and proposals against
// a dataset.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(eval::Report report, MeasureDetections(*dataset, detections));

#ifndef RCNN_TRAINING_STAGES_MEASURE_H_
#define RCNN_TRAINING_STAGES_MEASURE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/metrics_report.h"
#include "rcnn/eval/proposal_recall.h"
#include "rcnn/training/stages/inferred_image.h"

namespace rcnn::training {

// COCO's metrics and VOC07's.
absl::StatusOr<eval::Report> MeasureDetections(const data::Dataset& dataset,
                                               const eval::Detections& detections);

// AP, AP50, AP75 and VOC07's mean average precision as "ap", "ap50", "ap75" and
// "voc07", the names of eval/metrics_report.h; `metric` comes first.
std::vector<std::pair<std::string, double>> DetectionNumbers(
    const eval::Report& report, configs::ValidationConfig::Metric metric);

// The recall of proposals, one entry for each image of the dataset, at 1, 3, 10, 30, ... of them,
// up to the first number that no image exceeds.
eval::ProposalRecall MeasureProposals(const data::Dataset& dataset,
                                      const std::vector<InferredProposals>& proposals);

// "ar_100", "ar_300" and "recall50_300" of proposals, one entry for each image of
// the dataset; `metric` comes first.
std::vector<std::pair<std::string, double>> ProposalNumbers(
    const data::Dataset& dataset, const std::vector<InferredProposals>& proposals,
    configs::ValidationConfig::Metric metric);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_MEASURE_H_

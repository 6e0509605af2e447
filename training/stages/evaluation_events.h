// What an evaluation shows in TensorBoard in addition to its numbers: images with
// detections, precision-recall curves, and histograms of the scores.
//
//   <stage>/images/<n>            eight sample images, hits and errors drawn
//   <stage>/precision_recall/<class>, .../all; of at most 100 classes
//   <stage>/scores                of all detections
//   <stage>/proposal_scores       of the proposals that they come from
//
// Example:
//   RCNN_RETURN_IF_ERROR(WriteEvaluationEvents(run, "final", *dataset, detections, proposals));

#ifndef RCNN_TRAINING_STAGES_EVALUATION_EVENTS_H_
#define RCNN_TRAINING_STAGES_EVALUATION_EVENTS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/errors/detection_errors.h"
#include "rcnn/training/stages/experiment_run.h"
#include "rcnn/training/stages/inferred_image.h"
#include "rcnn/training/trainer/event_file.h"

namespace rcnn::training {

// Appends an event file of `stage` to run.events_directory. Its step is the number of
// images, like that of the numbers. Call it after the numbers are logged, which removes
// the events of an earlier attempt. Damaged images are left out; one that cannot be read now is an
// error (IsUnreadableNow, base/stored_file.h). The events are durable on return.
absl::Status WriteEvaluationEvents(const ExperimentRun& run, const std::string& stage,
                                   const data::Dataset& dataset, const eval::Detections& detections,
                                   const std::vector<InferredProposals>& proposals);

// Counts at `thresholds` scores from 0 to 1, at IoU 0.5; category: a position, or -1
// for all classes.
std::vector<ThresholdCounts> CountAtThresholds(const eval::Detections& detections,
                                               const eval::DetectionErrors& errors,
                                               int64_t category, int64_t thresholds);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_EVALUATION_EVENTS_H_

// The experiment for a folder of labelled images, by stated rules (docs/plan.md).
//
// The rules look at the training part alone, and at the measured speed of this machine. They
// are the same for every dataset.
//
// Example:
//   PlanRequest request;
//   request.name = "cells";
//   RCNN_ASSIGN_OR_RETURN(const Plan plan, PlanExperiment(request, split));

#ifndef RCNN_TRAINING_PLAN_PLAN_EXPERIMENT_H_
#define RCNN_TRAINING_PLAN_PLAN_EXPERIMENT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rcnn/base/monotonic_time.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/data/sources/folder_split.h"
#include "rcnn/training/plan/plan_basis.pb.h"
#include "rcnn/training/plan/plan_recipe.h"
#include "rcnn/training/plan/plan_speed.h"

namespace rcnn::training {

struct PlanRequest {
  // The experiment's name.
  std::string name;
  // What everything from `start` to the end of the evaluation may take.
  absl::Duration budget = absl::Minutes(30);
  absl::Time start = MonotonicNow();
  // What opening the data took, which a run does once more.
  absl::Duration opening = absl::ZeroDuration();
  Recipe recipe = Recipe::kJoint;
  // Path of weights to start from; "": random weights.
  std::string pretrained_file = {};
  SpeedMeasurement measure_speed = MeasureSpeed;
};

struct Plan {
  // With every field that recognition and the rules have decided, so that the file alone
  // gives the same experiment.
  configs::ExperimentConfig config;
  // What was chosen and why, one topic a line: "scale: ...".
  std::vector<std::string> explanation;
  PlannedTime time;
};

// Makes the plan. Spends a part of the budget on measuring the speed. kInvalidArgument for a split
// without training images or without objects in them, and for a budget that is not positive; also
// the errors of BackboneOfWeights and measure_speed.
absl::StatusOr<Plan> PlanExperiment(const PlanRequest& request, const data::FolderSplit& split);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_PLAN_PLAN_EXPERIMENT_H_

// The measured speed of an experiment on this machine, and how many iterations fit into a
// time.
//
// Every stage runs for some iterations on images from the whole dataset (rehearsal.h), with
// the loader, the solver and the caches that it will have.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const SecondsPerUnit speed, MeasureSpeed(config, split, {}));
//   const Schedule schedule = FitSchedule(choices, speed, images, /*seconds=*/1100);

#ifndef RCNN_TRAINING_PLAN_PLAN_SPEED_H_
#define RCNN_TRAINING_PLAN_PLAN_SPEED_H_

#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/data/sources/folder_split.h"
#include "rcnn/training/plan/plan_recipe.h"
#include "rcnn/training/scheduler/rehearsal.h"

namespace rcnn::training {

// Seconds per iteration or image of each stage. Errors: those of Rehearse.
absl::StatusOr<SecondsPerUnit> MeasureSpeed(const configs::ExperimentConfig& config,
                                            const data::FolderSplit& split,
                                            const RehearsalOptions& options);

// MeasureSpeed, or in tests a function with known times.
using SpeedMeasurement = std::function<absl::StatusOr<SecondsPerUnit>(
    const configs::ExperimentConfig&, const data::FolderSplit&, const RehearsalOptions&)>;

// Images of each part.
struct PartSizes {
  int64_t train = 0;
  int64_t validation = 0;
  int64_t test = 0;
};

struct Schedule {
  // As in PlanChoices.
  int64_t iterations = 1;
  int64_t validations = 0;
  int64_t validation_images = 0;
  // Seconds of the run for training, validations and everything else.
  double training = 0;
  double validating = 0;
  double other = 0;
};

// The schedule of choices.recipe that takes `seconds`. Training gets the time that the rehearsal,
// the proposals, the evaluation and the validations leave. Each stage of training has at most
// kMostValidations; they get at most kValidationShare of the time. If even kFewestValidations on
// all images would take more, joint training validates on fewer images, and alternating training
// not at all.
Schedule FitSchedule(const PlanChoices& choices, const SecondsPerUnit& speed,
                     const PartSizes& images, double seconds);

inline constexpr int64_t kMostValidations = 20;
inline constexpr int64_t kFewestValidations = 5;
inline constexpr double kValidationShare = 0.05;
// No plan has fewer iterations.
inline constexpr int64_t kFewestIterations = 20;

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_PLAN_PLAN_SPEED_H_

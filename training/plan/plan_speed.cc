// The budget equation, in seconds, solved for the iterations:
//
//   seconds = other + validating + iterations * per_iteration
//
//   other          start, kRehearsedIterations of each training stage, the evaluation, and for
//                  alternating training the proposals
//   validating     validations * images * the time of the evaluation for an image; at most
//                  kValidationShare of `seconds`
//   per_iteration  joint training: that of its stage; alternating training: the sum over the steps
//                  of a step's share of the iterations (IterationsOfStep) times its time

#include "rcnn/training/plan/plan_speed.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

#include "rcnn/base/status_macros.h"
#include "rcnn/base/temporary_directory.h"
#include "rcnn/data/core/cached_dataset.h"
#include "rcnn/training/stages/experiment_run.h"

namespace rcnn::training {
namespace {

// Seconds of a run besides its stages: opening the data, writing results.
constexpr double kStartSeconds = 2;
// The scheduler's rehearsal, in iterations of each stage, cold ones included.
constexpr double kRehearsedIterations = 12;

void AddDataset(const data::FolderSplit& split, const char* part, configs::DatasetRole role,
                ExperimentRun& run) {
  const data::OpenedPart* const found = split.FindPart(part);
  if (found == nullptr) return;
  run.datasets[role] = std::make_shared<data::CachedDataset>(
      found->images, int64_t{run.config.resources().image_cache_mib()} << 20);
}

double At(const SecondsPerUnit& speed, const std::string& stage) {
  const auto found = speed.find(stage);
  return found == speed.end() ? 0 : found->second;
}

// The time of one iteration of PlanChoices::iterations, with its share of the other steps.
double SecondsPerIteration(Recipe recipe, const SecondsPerUnit& speed) {
  if (recipe == Recipe::kJoint) return At(speed, "joint");
  constexpr int64_t kMany = 100000;
  double seconds = 0;
  int step = 0;
  for (const char* stage : {"rpn1", "fast1", "rpn2", "fast2"}) {
    seconds += static_cast<double>(IterationsOfStep(++step, kMany)) / kMany * At(speed, stage);
  }
  return seconds;
}

// The time of everything except training and validation.
double OtherSeconds(Recipe recipe, const SecondsPerUnit& speed, const PartSizes& images) {
  double seconds = kStartSeconds;
  for (const char* stage : {"joint", "rpn1", "fast1", "rpn2", "fast2"}) {
    seconds += kRehearsedIterations * At(speed, stage);
  }
  seconds += At(speed, "final") * static_cast<double>(images.test);
  if (recipe == Recipe::kJoint) return seconds;
  return seconds +
         (At(speed, "proposals1") + At(speed, "proposals2")) * static_cast<double>(images.train);
}

// The validations of each step of alternating training, on all images, since stored proposals
// cover all. None where even the fewest take too long.
void FitStepValidations(const SecondsPerUnit& speed, int64_t images, double seconds,
                        Schedule& schedule) {
  const double proposals = At(speed, "validation_proposals1") + At(speed, "validation_proposals2");
  const auto all = static_cast<double>(images);
  // The head takes no longer on stored proposals than the whole detector.
  const double once = all * (proposals + 2 * At(speed, "final"));
  if (once <= 0) return;
  const auto affordable =
      static_cast<int64_t>((kValidationShare * seconds - all * proposals) / once);
  if (affordable < kFewestValidations) return;
  schedule.validations = std::min(affordable, kMostValidations);
  schedule.validating = once * static_cast<double>(schedule.validations) + all * proposals;
}

// Number and images of the validations of joint training.
void FitValidations(double per_image, int64_t images, double seconds, Schedule& schedule) {
  if (images == 0 || per_image <= 0) return;
  const double affordable = kValidationShare * seconds / per_image;
  const auto all = static_cast<double>(images);
  schedule.validations =
      std::clamp(static_cast<int64_t>(affordable / all), kFewestValidations, kMostValidations);
  const auto each = static_cast<int64_t>(affordable / static_cast<double>(schedule.validations));
  if (each < images) schedule.validation_images = std::max<int64_t>(each, 1);
  const int64_t used = schedule.validation_images > 0 ? schedule.validation_images : images;
  schedule.validating = per_image * static_cast<double>(used * schedule.validations);
}

}  // namespace

absl::StatusOr<SecondsPerUnit> MeasureSpeed(const configs::ExperimentConfig& config,
                                            const data::FolderSplit& split,
                                            const RehearsalOptions& options) {
  const TemporaryDirectory scratch("rcnn_plan");
  RCNN_RETURN_IF_ERROR(scratch.status());
  ExperimentRun run;
  run.config = config;
  AddDataset(split, "train", configs::TRAIN, run);
  AddDataset(split, "val", configs::VALIDATION, run);
  AddDataset(split, "test", configs::TEST, run);
  for (const configs::StageConfig& stage : config.stages()) {
    run.directories[stage.name()] = scratch.path() + "/" + stage.name();
    run.keys[stage.name()] = "plan";
  }
  return Rehearse(run, scratch.path() + "/stages", nullptr, options);
}

Schedule FitSchedule(const PlanChoices& choices, const SecondsPerUnit& speed,
                     const PartSizes& images, double seconds) {
  Schedule schedule;
  schedule.other = OtherSeconds(choices.recipe, speed, images);
  if (choices.recipe == Recipe::kJoint) {
    FitValidations(At(speed, "final"), images.validation, seconds, schedule);
  } else {
    FitStepValidations(speed, images.validation, seconds, schedule);
  }
  const double per_iteration = SecondsPerIteration(choices.recipe, speed);
  const double left = seconds - schedule.other - schedule.validating;
  schedule.iterations = kFewestIterations;
  if (per_iteration > 0 && left > 0) {
    schedule.iterations = std::max(kFewestIterations, static_cast<int64_t>(left / per_iteration));
  }
  schedule.training = static_cast<double>(schedule.iterations) * per_iteration;
  return schedule;
}

}  // namespace rcnn::training

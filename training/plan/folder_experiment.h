// From a folder of labelled images to an experiment that can be run: what is in it, how
// it is split, and what is planned for it.
//
// A plan is made once for a run directory and kept there (stored_plan.h): the same call
// finds it, so that an interrupted run resumes bit for bit.
//
// Example:
//   FolderExperimentOptions options;
//   options.folder = "cells";
//   RCNN_ASSIGN_OR_RETURN(const FolderExperiment experiment, MakeFolderExperiment(options));
//   RCNN_RETURN_IF_ERROR(RunExperiment(
//       {.config = experiment.config, .run_directory = experiment.run_directory}));

#ifndef RCNN_TRAINING_PLAN_FOLDER_EXPERIMENT_H_
#define RCNN_TRAINING_PLAN_FOLDER_EXPERIMENT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "rcnn/base/temporary_directory.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/training/plan/plan_speed.h"

namespace rcnn::training {

struct FolderExperimentOptions {
  std::string folder;
  // As in data::FolderOptions.
  std::string format = {};
  bool follow_links = true;
  std::string box_units = {};
  std::string exif_orientation = {};
  // "": runs/NAME, NAME after the folder.
  std::string run_directory = {};
  // Writes nothing to the run directory: a split that is missing or grows is written to a temporary
  // directory, and a new plan is not stored.
  bool dry_run = false;
  // Prints neither what was found nor progress.
  bool quiet = false;
  // False: a part that loses more than 5 % of its objects to defects is an error.
  bool allow_defects = false;
  // "20m", "1h30m"; "": that of the run directory's plan, else 30m.
  std::string budget = {};
  // "joint" or "alternating"; "": that of the run directory's plan, else joint.
  std::string recipe = {};
  // Weights to start from; "": those of the run directory's plan, else random weights.
  std::string pretrained = {};
  // Makes a new plan; flags that are not given have their defaults.
  bool replan = false;
  // Number of threads, which is recorded.
  int threads = 0;
  SpeedMeasurement measure_speed = MeasureSpeed;
};

struct FolderExperiment {
  configs::ExperimentConfig config;
  // Absolute.
  std::string folder;
  std::string run_directory;
  // What the plan has chosen and why.
  std::vector<std::string> explanation;
  // Why an earlier plan was replaced; empty if it was not.
  std::vector<std::string> changes;
  // The plan was edited, or damaged, since it was made.
  bool edited = false;
  // Where the plan before this one is, if it may have been edited; else empty.
  std::string kept_plan;
  // Where a dry run keeps the split that config names, as long as this lives; else null.
  std::shared_ptr<const TemporaryDirectory> temporary;
};

// Prints what was found, each part's images and objects, how the folder was split, images
// of one source in two parts, and the plan. Writes RUN/split (data/sources/folder_split.h) and
// the plan, and holds the lock of the run directory while it does. kFailedPrecondition for a run
// directory with the plan of another folder, with other files, or in which a scheduler works, and
// for too many defects; kInvalidArgument for an invalid budget or recipe; also the errors of
// data::OpenFolder, data::SplitFolder and PlanExperiment.
absl::StatusOr<FolderExperiment> MakeFolderExperiment(const FolderExperimentOptions& options);

// A name for an experiment: the last part of the path, with '_' for everything but letters,
// digits, '_', '-' and '.'; "data" comes before a name that starts with a dot, or is empty.
std::string ExperimentName(absl::string_view folder);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_PLAN_FOLDER_EXPERIMENT_H_

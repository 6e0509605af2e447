// From a folder of labelled images to an experiment that can be run: what is in it, how
// it is split, and what is planned for it.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const FolderExperiment experiment,
//                         MakeFolderExperiment({.folder = "cells"}));
//   RunExperiment({.config = experiment.config, .run_directory = experiment.run_directory});

#ifndef RCNN_TRAINING_PLAN_FOLDER_EXPERIMENT_H_
#define RCNN_TRAINING_PLAN_FOLDER_EXPERIMENT_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/temporary_directory.h"
#include "rcnn/configs/experiment.pb.h"

namespace rcnn::training {

struct FolderExperimentOptions {
  std::string folder;
  // As in data::FolderOptions.
  std::string format = {};
  bool follow_links = true;
  // "": runs/NAME, NAME after the folder.
  std::string run_directory = {};
  // Nothing is written: a split that does not exist is made in a temporary directory.
  bool dry_run = false;
  // Prints neither what was found nor progress.
  bool quiet = false;
};

struct FolderExperiment {
  configs::ExperimentConfig config;
  // Absolute.
  std::string folder;
  std::string run_directory;
  // Where a dry run keeps the split that config names, as long as this lives; else null.
  std::shared_ptr<const TemporaryDirectory> temporary;
};

// Prints what was found, each part's images and objects, how the folder was split, and
// images that are on two sides. Writes RUN/split (data/sources/folder_split.h). Errors:
// those of data::OpenFolder, data::SplitFolder and PlanExperiment.
absl::StatusOr<FolderExperiment> MakeFolderExperiment(const FolderExperimentOptions& options);

// A name for an experiment: the last part of the path, of which all but letters, digits,
// '_', '-' and '.' become '_'.
std::string ExperimentName(absl::string_view folder);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_PLAN_FOLDER_EXPERIMENT_H_

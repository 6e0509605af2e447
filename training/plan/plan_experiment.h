// The experiment for a folder of labelled images.
//
// So far the recipe for small sets, bccd_resnet18_alternating, on the folder's parts,
// whatever its images are like.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(configs::ExperimentConfig config, PlanExperiment("cells", split));

#ifndef RCNN_TRAINING_PLAN_PLAN_EXPERIMENT_H_
#define RCNN_TRAINING_PLAN_PLAN_EXPERIMENT_H_

#include <string>

#include "absl/status/statusor.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/data/sources/folder_split.h"

namespace rcnn::training {

// `name` is that of the experiment. The same for the same parts. Datasets are given with
// every field that recognition has decided, so that the experiment's file alone opens
// them again.
absl::StatusOr<configs::ExperimentConfig> PlanExperiment(const std::string& name,
                                                         const data::FolderSplit& split);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_PLAN_PLAN_EXPERIMENT_H_

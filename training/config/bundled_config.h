// Finds the experiments that come with the program, wherever it was built.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(std::string bundled, FindConfig("bccd_resnet18_joint"));
//   RCNN_ASSIGN_OR_RETURN(std::string own, FindConfig("my/own.textproto"));

#ifndef RCNN_TRAINING_CONFIG_BUNDLED_CONFIG_H_
#define RCNN_TRAINING_CONFIG_BUNDLED_CONFIG_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace rcnn::training {

// Returns the path of an experiment: `name` itself if it is a file, else the bundled
// experiment of that name, with or without "configs/" and ".textproto". kNotFound,
// with the nearest names and listing all bundled experiments, if there is neither. Other codes if
// it cannot be told now whether there is such a file: a bundled experiment is another one.
absl::StatusOr<std::string> FindConfig(const std::string& name);

// Names of the bundled experiments, sorted. An error if their folder cannot be listed now.
absl::StatusOr<std::vector<std::string>> BundledConfigs();

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_CONFIG_BUNDLED_CONFIG_H_

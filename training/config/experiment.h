// Reads an experiment's file, with the overrides of the command line, and prints it.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(configs::ExperimentConfig config,
//                         LoadExperiment(path, {.overrides = {"seed=4"}}));
//   RCNN_RETURN_IF_ERROR(CheckExperiment(config));   // check_experiment.h
//   std::cout << ExperimentText(config);

#ifndef RCNN_TRAINING_CONFIG_EXPERIMENT_H_
#define RCNN_TRAINING_CONFIG_EXPERIMENT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/training/config/check_experiment.h"

namespace rcnn::training {

struct ExperimentOptions {
  // "path.to.field=value", applied in order: see config_override.h.
  std::vector<std::string> overrides;
};

// Reads a textproto. Errors: those of ReadFile; kInvalidArgument "file:line:column:
// …" if the text is not an ExperimentConfig, or for an invalid override.
// CheckExperiment checks the values.
absl::StatusOr<configs::ExperimentConfig> LoadExperiment(const std::string& path,
                                                         const ExperimentOptions& options = {});

// The same for a text in memory; errors show `source` as the file.
absl::StatusOr<configs::ExperimentConfig> ParseExperiment(absl::string_view text,
                                                          absl::string_view source,
                                                          const ExperimentOptions& options = {});

// The experiment as textproto with all defaults written out. Equal experiments give
// equal text, which parses back to the same experiment.
std::string ExperimentText(const configs::ExperimentConfig& config);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_CONFIG_EXPERIMENT_H_

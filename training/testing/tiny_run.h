// Alternating training in four steps that takes a second, and its run without a
// scheduler, for tests.

#ifndef RCNN_TRAINING_TESTING_TINY_RUN_H_
#define RCNN_TRAINING_TESTING_TINY_RUN_H_

#include <string>
#include <vector>

#include "rcnn/configs/experiment.pb.h"
#include "rcnn/detection/weights/state_dict.h"
#include "rcnn/training/stages/experiment_run.h"

namespace rcnn::training {

// Stages rpn1, proposals1, fast1, rpn2, proposals2, fast2, final on drawn images of
// 64 x 48, with overrides as of the command line; a test failure if one does not fit.
configs::ExperimentConfig TinyExperiment(const std::vector<std::string>& overrides = {});

// An empty directory of the running test's own.
std::string EmptyDirectory(const std::string& name = "");

// The experiment opened, each stage with an empty directory inside of `directory`; a
// test failure if it is refused.
ExperimentRun OpenTinyRun(const configs::ExperimentConfig& config, const std::string& directory);

// Runs the stages up to and with `last`; all with "". The first error, else OK.
absl::Status RunStages(const ExperimentRun& run, const std::string& last = "");

// What a stage of the run has left.
detection::weights::StateDict Weights(const ExperimentRun& run, const std::string& stage);

// Names of the tensors that are not the same in both, bit for bit, or in one only.
std::vector<std::string> Differences(const detection::weights::StateDict& a,
                                     const detection::weights::StateDict& b);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TESTING_TINY_RUN_H_

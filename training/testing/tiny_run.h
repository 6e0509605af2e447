// Alternating training in four steps that takes a second, run without a scheduler,
// for tests.

#ifndef RCNN_TRAINING_TESTING_TINY_RUN_H_
#define RCNN_TRAINING_TESTING_TINY_RUN_H_

#include <string>
#include <vector>

#include "rcnn/configs/experiment.pb.h"
#include "rcnn/detection/weights/state_dict.h"
#include "rcnn/training/stages/experiment_run.h"

namespace rcnn::training {

// Stages rpn1, proposals1, fast1, rpn2, proposals2, fast2, final on generated images
// of 64 x 48, with overrides like those of the command line; an invalid override is a
// test failure.
configs::ExperimentConfig TinyExperiment(const std::vector<std::string>& overrides = {});

// Opens the experiment, each stage with an empty directory in `directory`; an error
// is a test failure.
ExperimentRun OpenTinyRun(const configs::ExperimentConfig& config, const std::string& directory);

// Runs the stages up to and including `last`; "": all. Returns the first error, or
// OK.
absl::Status RunStages(const ExperimentRun& run, const std::string& last = "");

// The weights of a finished stage of the run.
detection::weights::StateDict Weights(const ExperimentRun& run, const std::string& stage);

// Names of the tensors that are in only one of the two, or differ bit for bit.
std::vector<std::string> Differences(const detection::weights::StateDict& a,
                                     const detection::weights::StateDict& b);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TESTING_TINY_RUN_H_

// The four steps of alternating training, as small as possible, for tests.

#ifndef RCNN_TRAINING_TESTING_SAMPLE_EXPERIMENT_H_
#define RCNN_TRAINING_TESTING_SAMPLE_EXPERIMENT_H_

#include <string>
#include <vector>

#include "rcnn/configs/experiment.pb.h"

namespace rcnn::training {

// Stages rpn1, props1, fast1, rpn2, props2, fast2, final on generated shapes.
extern const char kSampleExperiment[];

// The experiment with overrides; an invalid override is a test failure.
configs::ExperimentConfig SampleExperiment(const std::vector<std::string>& overrides = {});

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TESTING_SAMPLE_EXPERIMENT_H_

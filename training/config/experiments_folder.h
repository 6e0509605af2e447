// The experiments in configs/, for their tests, which have //configs:experiments as data.

#ifndef RCNN_TRAINING_CONFIG_EXPERIMENTS_FOLDER_H_
#define RCNN_TRAINING_CONFIG_EXPERIMENTS_FOLDER_H_

#include <string>
#include <vector>

#include "rcnn/configs/experiment.pb.h"

namespace rcnn::training {

// The names of all, "voc07_zf_alternating", in no particular order.
std::vector<std::string> ExperimentNames();

// One of them; an error is a test failure.
configs::ExperimentConfig LoadNamedExperiment(const std::string& name);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_CONFIG_EXPERIMENTS_FOLDER_H_

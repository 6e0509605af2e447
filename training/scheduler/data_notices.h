// What is odd about the data of an experiment and does not stop it: told before training.
//
// Example:
//   for (const std::string& notice : DataNotices(run)) Print(notice);

#ifndef RCNN_TRAINING_SCHEDULER_DATA_NOTICES_H_
#define RCNN_TRAINING_SCHEDULER_DATA_NOTICES_H_

#include <string>
#include <vector>

#include "rcnn/training/stages/experiment_run.h"

namespace rcnn::training {

// A line for each dataset to be evaluated without an object, whose metrics will be null, and
// for each class that has objects there and none to learn from.
std::vector<std::string> DataNotices(const ExperimentRun& run);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_DATA_NOTICES_H_

// Notices about the data of an experiment that do not stop it, printed before training.
//
// Example:
//   for (const std::string& notice : DataNotices(run)) std::cout << notice << "\n";

#ifndef RCNN_TRAINING_SCHEDULER_DATA_NOTICES_H_
#define RCNN_TRAINING_SCHEDULER_DATA_NOTICES_H_

#include <string>
#include <vector>

#include "rcnn/training/stages/experiment_run.h"

namespace rcnn::training {

// One line for each evaluated dataset without objects, whose metrics will be null, and for
// each class that has objects there but none in the training data.
std::vector<std::string> DataNotices(const ExperimentRun& run);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_DATA_NOTICES_H_

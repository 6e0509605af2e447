// What the datasets of an experiment hold, printed before it starts.
//
// Example:
//   std::cout << DataSummary(run);

#ifndef RCNN_TRAINING_SCHEDULER_DATA_SUMMARY_H_
#define RCNN_TRAINING_SCHEDULER_DATA_SUMMARY_H_

#include <string>

#include "rcnn/training/stages/experiment_run.h"

namespace rcnn::training {

// A line for each dataset, "data.train: 256 images, 3 classes (Platelets, RBC, WBC)", followed by
// the first defects of its annotations if it has any; then the notices of the datasets
// (DefectReport::notices), each once, with the names of all datasets that have it. Validation data
// that are the test data are left out. Names from files are escaped; each line ends in a line
// break.
std::string DataSummary(const ExperimentRun& run);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_DATA_SUMMARY_H_

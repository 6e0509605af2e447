// The folder of the data that a run's results are from, in data_root.txt.
//
// Nothing else tells two folders of images of one format apart: their experiments may have the same
// name, and then the same run directory, where one would replace the results of the other.
//
// Example:
//   RCNN_RETURN_IF_ERROR(CheckDataRoot(run, "runs/cells", /*stage_of_other_data=*/"rpn1"));
//   RCNN_RETURN_IF_ERROR(RecordDataRoot(run, "runs/cells"));

#ifndef RCNN_TRAINING_SCHEDULER_DATA_ROOT_RECORD_H_
#define RCNN_TRAINING_SCHEDULER_DATA_ROOT_RECORD_H_

#include <string>

#include "absl/status/status.h"
#include "rcnn/training/stages/experiment_run.h"

namespace rcnn::training {

// kFailedPrecondition, naming both the recorded folder and the stage, if the results in the run
// directory are from another folder than run.data_root, and `stage_of_other_data`, "" for none, is
// a stage whose finished result would be replaced with one of other images or annotations. Within
// one folder they may change. Changes nothing; errors of ReadRunRecord, and of ResolvedPath if
// run.data_root cannot be examined now.
absl::Status CheckDataRoot(const ExperimentRun& run, const std::string& run_directory,
                           const std::string& stage_of_other_data);

// Writes run.data_root, without links and dots where it exists, unless it is recorded already. The
// errors of CheckMayWrite, run_record.h and ResolvedPath.
absl::Status RecordDataRoot(const ExperimentRun& run, const std::string& run_directory);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_SCHEDULER_DATA_ROOT_RECORD_H_

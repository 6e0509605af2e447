// The directory of a run that was evaluated, and what it was evaluated on.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(RunDataset dataset, OpenRunDataset("runs/cells", data_root));

#ifndef RCNN_EVAL_HTML_EVALUATED_RUN_H_
#define RCNN_EVAL_HTML_EVALUATED_RUN_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/eval/ground_truth.h"
#include "rcnn/eval/html/example_figure.h"
#include "rcnn/eval/html/report_input.h"

namespace rcnn::eval {

// Whether the path is a run's directory, which holds experiment.textproto. An error if the file
// system cannot tell now.
absl::StatusOr<bool> IsRunDirectory(const std::string& path);

// What a run was evaluated on: `test` of its experiment.
struct RunDataset {
  std::shared_ptr<const data::Dataset> dataset;
  GroundTruth truth;
  // Difficult objects are regions to ignore.
  bool voc = false;
  // The experiment's text.
  std::string config;
  // The losses of its stages.
  std::vector<TrainingCurve> training;
};

// kInvalidArgument if the experiment is invalid or has no data.test; kDataLoss if metrics.json, a
// stage's losses or the experiment differ from what the run has recorded (base/recorded_result.h);
// also the errors of ReadFile and MakeDataset. Relative paths start in `data_root`; if that is "",
// in the folder that the run recorded in data_root.txt.
absl::StatusOr<RunDataset> OpenRunDataset(const std::string& run_directory,
                                          const std::string& data_root);

// Images of a dataset by their position in `truth`, which is FromDataset of it.
LoadImageFunction DatasetImages(std::shared_ptr<const data::Dataset> dataset,
                                const GroundTruth& truth);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_HTML_EVALUATED_RUN_H_

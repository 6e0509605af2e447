// What a user names as a result: a results file, or a run's directory.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(RunDataset dataset, OpenRunDataset("runs/cells", data_root));
//   RCNN_ASSIGN_OR_RETURN(Detections found, ReadResult("runs/cells"));

#ifndef RCNN_EVAL_HTML_EVALUATED_RUN_H_
#define RCNN_EVAL_HTML_EVALUATED_RUN_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/ground_truth.h"
#include "rcnn/eval/html/example_figure.h"

namespace rcnn::eval {

// A run's directory holds experiment.textproto.
bool IsRunDirectory(const std::string& path);

// The detections of a results file, or those that the last evaluation of a run has left
// in its directory. Errors are those of ReadDetections.
absl::StatusOr<Detections> ReadResult(const std::string& path);

// What a run was evaluated on: `test` of its experiment.
struct RunDataset {
  std::shared_ptr<const data::Dataset> dataset;
  GroundTruth truth;
  // Difficult objects are regions to ignore.
  bool voc = false;
  // The experiment's text.
  std::string config;
};

// kInvalidArgument if the experiment cannot be read or evaluates nothing; the errors of
// MakeDataset, whose relative paths start in `data_root`, or if that is "" in the folder
// that the run has recorded in data_root.txt.
absl::StatusOr<RunDataset> OpenRunDataset(const std::string& run_directory,
                                          const std::string& data_root);

// Images of a dataset by their position in `truth`, which is FromDataset of it.
LoadImageFunction DatasetImages(std::shared_ptr<const data::Dataset> dataset,
                                const GroundTruth& truth);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_HTML_EVALUATED_RUN_H_

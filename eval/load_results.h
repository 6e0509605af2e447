// Reads the results of a detector in any supported form.
//
// Boxes: COCO results JSON (detections_reader.h), or text (text_results.h). Masks
// and keypoints: COCO results JSON against a COCO instances file.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(Results results, LoadResults("found.json", {.dataset = dataset}, truth));
//   RCNN_ASSIGN_OR_RETURN(CocoEvaluation coco, EvaluateResults(truth, results, options));

#ifndef RCNN_EVAL_LOAD_RESULTS_H_
#define RCNN_EVAL_LOAD_RESULTS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "rcnn/data/sources/dataset_flag.h"
#include "rcnn/eval/coco_evaluation.h"
#include "rcnn/eval/coco_options.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/ground_truth.h"
#include "rcnn/eval/shape_results.h"

namespace rcnn::eval {

struct LoadResultsOptions {
  // The argument of LoadGroundTruth; masks and keypoints are read from its file.
  std::string dataset;
  // For a folder: as in LoadGroundTruth's.
  data::DatasetFlagOptions folder = {};
  IouType iou_type = IouType::kBoxes;
  // Detections of unknown categories are left out instead of being an error; those of the
  // ground truth's root category are in any case.
  bool skip_unknown_categories = false;
  // 0: all cores.
  int threads = 0;
};

struct Results {
  // Boxes are 0 where results of masks or keypoints have none.
  Detections detections;
  std::unique_ptr<ShapeResults> shapes;  // null for boxes
  int64_t unknown_categories = 0;        // left out
};

// Reads and checks. kDataLoss if the path is that of a finished run's result and the file differs
// from what its stage has recorded (base/recorded_result.h). `truth` must outlive the results and
// not move; for keypoints its objects without a labelled one are marked as ignored. Errors name the
// path and the record or line.
absl::StatusOr<Results> LoadResults(const std::string& path, const LoadResultsOptions& options,
                                    GroundTruth& truth);

// Gives masks or keypoints without boxes their bounding boxes, for display.
// Does not change the result of EvaluateResults.
void AddBoxes(Results& results);

// EvaluateCoco of what the results hold.
absl::StatusOr<CocoEvaluation> EvaluateResults(const GroundTruth& truth, const Results& results,
                                               const CocoEvalOptions& options);

// "bbox", "segm", "keypoints"; kInvalidArgument for another name.
absl::StatusOr<IouType> ParseIouType(const std::string& name);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_LOAD_RESULTS_H_

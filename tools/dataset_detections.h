// Runs a detector on a dataset, to evaluate its detections.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(auto truth, eval::LoadGroundTruth("instances.json"));
//   RCNN_ASSIGN_OR_RETURN(auto detector, detection::Detector::Load("runs/cells/model"));
//   RCNN_ASSIGN_OR_RETURN(auto found, DetectDataset(*detector, truth, "images"));
//   RCNN_RETURN_IF_ERROR(eval::WriteDetections("detections.json", found));

#ifndef RCNN_TOOLS_DATASET_DETECTIONS_H_
#define RCNN_TOOLS_DATASET_DETECTIONS_H_

#include <string>

#include "absl/status/statusor.h"
#include "rcnn/detection/detector.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::tools {

// Returns the detections on every image of `truth`, with its image and category ids: image
// by image in its order, best first. Image files are relative to `folder`; if it is empty,
// their names are paths. Annotations are ignored.
//
// kInvalidArgument for a class of the detector that is not the name of a category, or
// a file name that leaves the folder; also the errors of reading an image and of
// Detector::Detect, starting with its name.
absl::StatusOr<eval::Detections> DetectDataset(const detection::Detector& detector,
                                               const eval::GroundTruth& truth,
                                               const std::string& folder);

}  // namespace rcnn::tools

#endif  // RCNN_TOOLS_DATASET_DETECTIONS_H_

// Ground truth by the name that a user gives.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(GroundTruth truth, LoadGroundTruth("voc:VOCdevkit/VOC2007:test"));

#ifndef RCNN_EVAL_LOAD_GROUND_TRUTH_H_
#define RCNN_EVAL_LOAD_GROUND_TRUTH_H_

#include <string>

#include "absl/status/statusor.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval {

// `dataset` is what data/sources/dataset_flag.h takes. Errors do not name the flag.
//
// COCO files are taken as they stand (coco_ground_truth.h), unless a config
// gives a class list; image files get the folder of the config before them. Of
// other datasets, boxes that leave their image are clipped and boxes without
// area left out unless the config says otherwise, with a line on stderr for
// each; their image ids are 1, 2, ... in order, and so are their category ids.
absl::StatusOr<GroundTruth> LoadGroundTruth(const std::string& dataset);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_LOAD_GROUND_TRUTH_H_

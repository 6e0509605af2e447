// COCO's evaluation as in its Python code, loop by loop. For tests.
//
// Slow and obvious: full IoU matrices, a sort of all annotations per area range,
// cumulative sums over all detections, a search per recall. coco_eval.h must equal
// it bit for bit.

#ifndef RCNN_EVAL_TESTING_COCO_REFERENCE_H_
#define RCNN_EVAL_TESTING_COCO_REFERENCE_H_

#include <vector>

#include "rcnn/eval/coco_options.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval::testing {

// pycocotools' arrays, in C order.
struct CocoArrays {
  std::vector<double> precision;  // [T, R, K, A, M]
  std::vector<double> scores;     // [T, R, K, A, M]
  std::vector<double> recall;     // [T, K, A, M]
};

// Options are valid, max_detections sorted.
CocoArrays CocoReference(const GroundTruth& truth, const Detections& detections,
                         const CocoEvalOptions& options = {});

}  // namespace rcnn::eval::testing

#endif  // RCNN_EVAL_TESTING_COCO_REFERENCE_H_

// COCO's evaluation as in its Python code, loop by loop. For tests.
//
// Slow and obvious: full IoU matrices, a sort of all annotations per area range,
// cumulative sums over all detections, a search per recall. coco_eval.h must equal
// it bit for bit.

#ifndef RCNN_EVAL_TESTING_COCO_REFERENCE_H_
#define RCNN_EVAL_TESTING_COCO_REFERENCE_H_

#include "rcnn/eval/coco_evaluation.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval::testing {

// Fills precision, recall and scores. Options are valid, max_detections sorted.
CocoEvaluation CocoReference(const GroundTruth& truth, const Detections& detections,
                             const CocoEvalOptions& options = {});

}  // namespace rcnn::eval::testing

#endif  // RCNN_EVAL_TESTING_COCO_REFERENCE_H_

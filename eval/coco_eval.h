// COCO's detection metrics for boxes, bit-identical to pycocotools 2.0.
//
// Matches detections with annotations greedily in order of score, per category,
// image, area range and IoU threshold, and returns precision at 101 recalls,
// recall, and scores; coco_summary.h computes the twelve numbers from
// them. Every double equals that of pycocotools' COCOeval(iouType="bbox"):
// thresholds as numpy.linspace rounds them, stable sorts, the later of equal IoUs,
// crowds, the annotation id 0 that counts as no match. Where pycocotools fails (no
// detections at all) the result is that of its formulas. For VOC's metrics see
// voc_eval.h.
//
// Uses all cores; the result does not depend on their number.
//
// Source: T.-Y. Lin et al., arXiv:1405.0312; cocoapi PythonAPI/pycocotools/cocoeval.py.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(CocoEvaluation evaluation, EvaluateCoco(truth, detections));
//   CocoSummary summary = Summarize(evaluation);

#ifndef RCNN_EVAL_COCO_EVAL_H_
#define RCNN_EVAL_COCO_EVAL_H_

#include "absl/status/statusor.h"
#include "rcnn/eval/coco_evaluation.h"
#include "rcnn/eval/coco_options.h"
#include "rcnn/eval/coco_similarity.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval {

// Evaluates detections. `truth` is normalized. As in pycocotools, detections and
// annotations of categories that are not listed are skipped; use ValidateDetections
// to reject them. kInvalidArgument for options out of range, for a detection on an
// unknown image (as in pycocotools) or a score that is not finite, naming the
// record, and for 2^32 or more detections.
//
// D detections: O(D) time if images have a bounded number of objects and few
// scores agree in their first 20 bits; about 20 bytes per detection.
absl::StatusOr<CocoEvaluation> EvaluateCoco(const GroundTruth& truth, const Detections& detections,
                                            const CocoEvalOptions& options = {});

// The same for objects of any shape. Ignores the boxes of `detections`.
absl::StatusOr<CocoEvaluation> EvaluateCoco(const GroundTruth& truth, const Detections& detections,
                                            const CocoSimilarity& similarity,
                                            const CocoEvalOptions& options);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_COCO_EVAL_H_

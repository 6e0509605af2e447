// The pairs of a RoI and a class that may be detections: the first step of the CPU's detections.
//
// Internal to rcnn; counted_detections.h has the whole rule.
//
// Example:
//   const DetectionCandidates found = FindDetectionCandidates(scores, 0.05f, /*max_per_class=*/0);
//   const at::Tensor found_rois = rois.index_select(0, found.rois);
//   const at::Tensor boxes = DecodeBoxes(found_rois, CandidateDeltas(found, deltas));

#ifndef RCNN_OPS_DETECTION_CANDIDATES_H_
#define RCNN_OPS_DETECTION_CANDIDATES_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rcnn::ops {

// N candidates on the CPU, RoI by RoI, of each RoI class by class.
struct DetectionCandidates {
  at::Tensor scores;  // [N] float32
  at::Tensor rois;    // [N] int64, rows of the scores
  at::Tensor labels;  // [N] int64, 1..K
};

// Returns the pairs with a score > min_score; of each class the best max_per_class, of equal ones
// the first, or all if that is 0. Pairs with NaN are left out.
//
//   scores  [R, K + 1] float32, contiguous, on the CPU; class 0 is background
DetectionCandidates FindDetectionCandidates(const at::Tensor& scores, float min_score,
                                            int64_t max_per_class);

// Returns the deltas [N, 4] of the candidates, of those of all classes [R, 4 (K + 1)], class-major.
at::Tensor CandidateDeltas(const DetectionCandidates& candidates, const at::Tensor& deltas);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_DETECTION_CANDIDATES_H_

// The result of COCO's evaluation as arrays: precision, recall and scores.
//
// Computed by coco_eval.h; coco_summary.h averages it to the usual numbers.

#ifndef RCNN_EVAL_COCO_EVALUATION_H_
#define RCNN_EVAL_COCO_EVALUATION_H_

#include <cstdint>
#include <vector>

#include "rcnn/eval/coco_options.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval {

// The arrays of pycocotools' COCOeval.eval, C order, with the letters
//   T  IoU thresholds     R  recall thresholds   K  categories, ascending by id
//   A  area ranges        M  max_detections, ascending
// -1 where a category has no annotation in the area range.
struct CocoEvaluation {
  CocoEvalOptions options;
  std::vector<GroundTruthCategory> categories;
  std::vector<double> precision;  // [T, R, K, A, M]
  std::vector<double> scores;     // [T, R, K, A, M], of the detection that reaches the recall
  std::vector<double> recall;     // [T, K, A, M]
  // [K]: annotations that are not crowds, and detections.
  std::vector<int64_t> annotation_counts;
  std::vector<int64_t> detection_counts;

  int64_t T() const { return static_cast<int64_t>(options.iou_thresholds.size()); }
  int64_t R() const { return static_cast<int64_t>(options.recall_thresholds.size()); }
  int64_t K() const { return static_cast<int64_t>(categories.size()); }
  int64_t A() const { return static_cast<int64_t>(options.areas.size()); }
  int64_t M() const { return static_cast<int64_t>(options.max_detections.size()); }

  // Position in `precision` and `scores`.
  int64_t Index(int64_t t, int64_t r, int64_t k, int64_t a, int64_t m) const {
    return (((t * R() + r) * K() + k) * A() + a) * M() + m;
  }
  // Position in `recall`.
  int64_t Index(int64_t t, int64_t k, int64_t a, int64_t m) const {
    return ((t * K() + k) * A() + a) * M() + m;
  }
};

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_COCO_EVALUATION_H_

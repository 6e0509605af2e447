// The result of COCO's evaluation: precision, recall and scores.
//
// Computed by coco_eval.h; coco_summary.h averages it to the usual numbers.

#ifndef RCNN_EVAL_COCO_EVALUATION_H_
#define RCNN_EVAL_COCO_EVALUATION_H_

#include <cstdint>
#include <vector>

#include "rcnn/eval/coco_curves.h"
#include "rcnn/eval/coco_options.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval {

// What pycocotools keeps in COCOeval.eval, with the letters
//   T  IoU thresholds     R  recall thresholds   K  categories, ascending by id
//   A  area ranges        M  max_detections, ascending
// -1 where a category has no annotation in the area range.
struct CocoEvaluation {
  CocoEvalOptions options;
  std::vector<GroundTruthCategory> categories;
  std::vector<CategoryCurves> curves;  // [K] precision and scores
  std::vector<double> recall;          // [T, K, A, M]
  // [K]: annotations that are not crowds, and detections.
  std::vector<int64_t> annotation_counts;
  std::vector<int64_t> detection_counts;

  int64_t T() const { return static_cast<int64_t>(options.iou_thresholds.size()); }
  int64_t R() const { return static_cast<int64_t>(options.recall_thresholds.size()); }
  int64_t K() const { return static_cast<int64_t>(categories.size()); }
  int64_t A() const { return static_cast<int64_t>(options.areas.size()); }
  int64_t M() const { return static_cast<int64_t>(options.max_detections.size()); }

  // Precision at a recall, the best there or beyond.
  double Precision(int64_t t, int64_t r, int64_t k, int64_t a, int64_t m) const {
    return curves[k].At(t, r, a, m).precision;
  }
  // Score of the detection that reaches the recall.
  double Score(int64_t t, int64_t r, int64_t k, int64_t a, int64_t m) const {
    return curves[k].At(t, r, a, m).score;
  }

  // Position in `recall`.
  int64_t Index(int64_t t, int64_t k, int64_t a, int64_t m) const {
    return ((t * K() + k) * A() + a) * M() + m;
  }

  // pycocotools' arrays "precision" and "scores", [T, R, K, A, M] in C order: 8
  // bytes for each entry, 10 MB for COCO's 80 categories.
  std::vector<double> PrecisionArray() const;
  std::vector<double> ScoreArray() const;
};

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_COCO_EVALUATION_H_

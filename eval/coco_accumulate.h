// Precision, recall and scores of one category from its matches.
//
// A part of coco_eval.h. Visits detections in order of score. Precision rises only
// at true positives, so only detections that touch an annotation are processed per
// IoU threshold; the others are counted once per area range.
//
// Source: cocoapi PythonAPI/pycocotools/cocoeval.py, accumulate.

#ifndef RCNN_EVAL_COCO_ACCUMULATE_H_
#define RCNN_EVAL_COCO_ACCUMULATE_H_

#include <cstdint>
#include <vector>

#include "rcnn/eval/coco_evaluation.h"

namespace rcnn::eval {

// A detection of a category.
struct RankedDetection {
  double score = 0;
  double area = 0;    // of its box
  int32_t rank = 0;   // among the detections of its cell, by score
  int32_t event = 0;  // row of codes, -1 when it touches no annotation
};

// The detections of one category, best score first, equal scores by image and
// rank; and the match codes of those that touch an annotation.
struct RankedCategory {
  std::vector<RankedDetection> detections;  // [N]
  std::vector<int64_t> events;              // [E] positions in `detections`, ascending
  std::vector<uint8_t> codes;               // [A, T, E] of MatchCode
};

// Writes the entries of category k and area range a.
//   positives  number of annotations of the category that are not ignored in
//              the area range; with 0 the entries stay -1
void AccumulateCategory(const RankedCategory& ranked, int64_t k, int64_t a, int64_t positives,
                        CocoEvaluation& evaluation);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_COCO_ACCUMULATE_H_

// PASCAL VOC's average precision: the 11 points of VOC07 and the area of VOC10.
//
// Per class: detections are processed from the highest score down. Each is compared
// with the one object of its class and image that it overlaps most, the first of
// equals. It is a hit if that IoU exceeds the threshold and the object has not been
// hit, is ignored if the object is difficult, and is a false positive otherwise.
// For COCO's metrics, which may take the second best object, see coco_eval.h.
//
// Boxes are measured as in the devkit, by their first and last pixel, 1-based:
// width = xmax - xmin + 1. A continuous box (x, y, w, h) has xmin = x + 1 and
// xmax = x + w, which for VOC's own annotations are the integers of the file.
//
// Deviation: the sort is stable (equal scores in order of image, then of the file),
// whereas the Python code of 2015 uses numpy's quicksort.
//
// Source: Everingham et al., "The PASCAL VOC Challenge", IJCV 2010, Sec. 4.2;
// VOCdevkit VOCevaldet.m; py-faster-rcnn lib/datasets/voc_eval.py.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(VocEvaluation voc, EvaluateVoc(truth, detections));
//   printf("%.1f\n", 100 * voc.MeanAp07());

#ifndef RCNN_EVAL_VOC_EVAL_H_
#define RCNN_EVAL_VOC_EVAL_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval {

struct VocEvalOptions {
  // A hit has an IoU greater than this. In [0, 1).
  double iou_threshold = 0.5;
  // Round like the text files of 2015 before scoring: scores to three decimals,
  // coordinates to one. This makes many scores equal.
  bool text_rounding = false;
  // 0: all cores.
  int threads = 0;
};

struct VocClassResult {
  // Objects that are not difficult (nor crowds).
  int64_t positives = 0;
  int64_t detections = 0;
  // After each detection, best first. NaN recalls when there are no positives.
  std::vector<double> recall;
  std::vector<double> precision;
  double ap07 = 0;
  double ap10 = 0;
};

struct VocEvaluation {
  std::vector<GroundTruthCategory> categories;
  std::vector<VocClassResult> classes;  // as `categories`

  // Mean over the classes that have positives: the usual mAP. NaN if there are
  // none.
  double MeanAp07() const;
  double MeanAp10() const;
};

// Evaluates detections; `truth` is normalized. Difficult objects and crowds are
// neither required nor penalised. Detections and annotations of unlisted images or
// classes are skipped. kInvalidArgument for a threshold outside [0, 1), or a score
// that is not finite, naming the detection.
absl::StatusOr<VocEvaluation> EvaluateVoc(const GroundTruth& truth, const Detections& detections,
                                          const VocEvalOptions& options = {});

// Mean of the best precisions at recalls 0, 0.1, ... 1 (numpy.arange(0, 1.1,
// 0.1), so that a recall of exactly 0.3, 0.6 or 0.7 does not reach its point).
double VocAp07(absl::Span<const double> recall, absl::Span<const double> precision);

// Area under the precision envelope. recall ascends.
double VocAp10(absl::Span<const double> recall, absl::Span<const double> precision);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_VOC_EVAL_H_

// Precision, recall and F1 of each class by score, the best threshold, and the
// calibration of the scores.
//
// From judged detections (errors/detection_errors.h): one is right if it found an
// object at the foreground IoU. Detections that lie in a region to ignore do not count.
//
//   precision = right / kept    recall = right / objects    F1 = 2 right / (kept + objects)
//
// of the detections whose score is at least the threshold. The expected
// calibration error is the mean of |precision - mean score| over bins of equal
// width of the score, weighted by their detections; 0 where a score of 0.8 is
// right 80 times in 100.
//
// Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, Eq. 3.
//
// Example:
//   const ClassCurves curves = MeasureCurves(truth, detections, errors);
//   printf("keep scores >= %.2f\n", curves.all.best.score);

#ifndef RCNN_EVAL_CURVES_CLASS_CURVES_H_
#define RCNN_EVAL_CURVES_CLASS_CURVES_H_

#include <cstdint>
#include <vector>

#include "rcnn/eval/errors/detection_errors.h"

namespace rcnn::eval {

// After all detections of at least `score`.
struct ClassCurvePoint {
  double score = 0;
  double precision = 0;
  double recall = 0;
  double f1 = 0;
};

struct CalibrationBin {
  int64_t detections = 0;
  double mean_score = 0;  // NaN when empty
  double precision = 0;   // NaN when empty
};

struct ClassCurve {
  int64_t objects = 0;
  int64_t detections = 0;
  // Score descends, recall ascends. About 200 points at most: each raises recall by at least
  // half a percent, except the last. Empty without objects or detections.
  std::vector<ClassCurvePoint> points;
  // The point of the greatest F1, at the highest score of equals; zeros without a hit.
  ClassCurvePoint best;
  // [10] of the scores [0, 0.1), ... [0.9, 1].
  std::vector<CalibrationBin> bins;
  // NaN without detections.
  double calibration_error = 0;
};

struct ClassCurves {
  std::vector<ClassCurve> classes;  // [K]
  // All classes as one; curve and threshold by one score for all.
  ClassCurve all;
  // A score lies outside of [0, 1]: they are not probabilities, and in the bins each
  // goes to the nearer end.
  bool scores_outside = false;
};

// `errors` are those of the same ground truth and detections.
ClassCurves MeasureCurves(const GroundTruth& truth, const Detections& detections,
                          const DetectionErrors& errors);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_CURVES_CLASS_CURVES_H_

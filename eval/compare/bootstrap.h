// Is one detector better than another on a dataset, or is it chance?
//
// The difference of COCO's AP, of AP50, AP75 and of the AP of each class, with confidence
// intervals of the paired bootstrap over images: images are drawn with
// replacement, as many as there are, and both results are measured on the same
// draw, `resamples` times. The interval spans the middle of the differences. An
// interval without 0 is evidence of a difference on images of this kind. It says
// nothing about training again with another seed.
//
// The detections of an image that is drawn twice count twice, as if the image were
// in the dataset twice. A class without objects in a draw is left out of that
// draw's mean, for both results.
//
// Detections are matched once, as in coco_eval.h, and sorted once. A draw gives
// each image a weight, and precision and recall are weighted counts along the
// sorted detections. Sixteen draws are computed side by side in 32-bit floats, with
// an error in AP below 1e-5. `a` and `b` are COCO's exact numbers.
//
// Source: B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993, Ch. 13.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(Comparison c, CompareDetections(truth, before, after));
//   printf("AP %+.3f [%+.3f, %+.3f]\n", c.ap.difference(), c.ap.low, c.ap.high);

#ifndef RCNN_EVAL_COMPARE_BOOTSTRAP_H_
#define RCNN_EVAL_COMPARE_BOOTSTRAP_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval {

struct CompareOptions {
  // From 20 to 100,000.
  int64_t resamples = 1000;
  // Confidence level: the share of the differences inside the interval, in (0, 1).
  double confidence = 0.95;
  // The same seed gives the same draws on any number of threads.
  uint64_t seed = 1;
  // 0: all cores.
  int threads = 0;
};

// One metric of both results; NaN where it is undefined.
struct Difference {
  double a = 0;
  double b = 0;
  // Of b - a.
  double low = 0;
  double high = 0;
  // Share of the draws in which b is better, equal ones halved.
  double b_better = 0;

  double difference() const { return b - a; }
  // Whether the interval excludes 0.
  bool significant() const { return low > 0 || high < 0; }
};

// AP (mean over IoUs 0.5 to 0.95) on one image: the mean over the classes that have
// objects there, NaN if none has.
struct ImageChange {
  int64_t image = 0;  // position in GroundTruth::images
  double a = 0;
  double b = 0;
};

struct Comparison {
  CompareOptions options;
  Difference ap;
  Difference ap50;
  Difference ap75;
  std::vector<Difference> classes;  // [K] AP
  // Images with objects, the greatest change first, equal ones in order.
  std::vector<ImageChange> images;
};

// `truth` is normalized. kInvalidArgument for options out of range, and the errors
// of EvaluateCoco, which name the result.
absl::StatusOr<Comparison> CompareDetections(const GroundTruth& truth, const Detections& a,
                                             const Detections& b,
                                             const CompareOptions& options = {});

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_COMPARE_BOOTSTRAP_H_

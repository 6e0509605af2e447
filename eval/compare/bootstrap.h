// Is one detector better than another on a dataset, or is it chance?
//
// The difference of COCO's AP, of AP50, AP75 and of the AP of each class, with confidence
// intervals of the paired bootstrap over images: images are drawn with
// replacement, as many as there are, and both results are measured on the same
// draw, `resamples` times. The interval spans the middle of the differences. One
// that does not hold 0 is evidence that the difference is there on images of this
// kind; it says nothing of training again with another seed.
//
// The detections of an image that is drawn twice count twice, as if the
// image were in the dataset twice. A class none of whose objects are drawn is left
// out of the mean of that draw, for both.
//
// How: detections are matched once, as coco_eval.h does, and sorted once. A draw gives
// each image a weight, and precision and recall are weighted counts along the sorted
// detections. Sixteen draws are walked side by side, in 32-bit floats, and the
// differences to the exact AP are below 1e-5. The differences themselves (`a`, `b`)
// are COCO's own numbers.
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
  // >= 20.
  int64_t resamples = 1000;
  // Share of the differences that the interval spans, in (0, 1).
  double confidence = 0.95;
  // The same seed gives the same draws on any number of threads.
  uint64_t seed = 1;
  // 0: all cores.
  int threads = 0;
};

// One measure of both results; NaN where there is nothing to measure.
struct Difference {
  double a = 0;
  double b = 0;
  // Of b - a.
  double low = 0;
  double high = 0;
  // Share of the draws in which b is better, equal ones halved.
  double b_better = 0;

  double difference() const { return b - a; }
  // Whether the interval leaves out 0.
  bool clear() const { return low > 0 || high < 0; }
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
  // Images that have objects, the greatest change first, equal ones in order.
  std::vector<ImageChange> images;
};

// `truth` is normalized. kInvalidArgument for options outside of their range and as
// EvaluateCoco, naming which of the two.
absl::StatusOr<Comparison> CompareDetections(const GroundTruth& truth, const Detections& a,
                                             const Detections& b,
                                             const CompareOptions& options = {});

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_COMPARE_BOOTSTRAP_H_

// A detector's hits and errors on each image, at one score and IoU threshold.
//
// For visual inspection: which boxes are hits, false positives and misses, and
// which images are worst. The metrics do not use it.
//
// Example:
//   std::vector<ImageErrors> all = FindImageErrors(truth, detections, {.min_score = 0.3});
//   for (int64_t i : WorstImages(all, 12)) Use(all[i].misses);

#ifndef RCNN_EVAL_IMAGE_ERRORS_H_
#define RCNN_EVAL_IMAGE_ERRORS_H_

#include <cstdint>
#include <vector>

#include "rcnn/eval/detections.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval {

struct ImageErrorOptions {
  // Detections with a lower score are left out.
  double min_score = 0.5;
  // A hit has at least this IoU with an object of its class that no better
  // detection matched.
  double iou_threshold = 0.5;
};

// Indices into the given detections and annotations.
struct ImageErrors {
  int64_t image_id = 0;
  std::vector<int64_t> hits;             // detections
  std::vector<int64_t> false_positives;  // detections
  std::vector<int64_t> found;            // annotations, as `hits`
  std::vector<int64_t> misses;           // annotations
  // Detections of crowds and of difficult objects, and those objects.
  std::vector<int64_t> neutral;
  std::vector<int64_t> neutral_annotations;

  // The number of misses plus the scores of the false positives.
  double badness = 0;
};

// One entry per image of `truth`, in its order. `truth` is normalized; unknown
// images and categories are left out.
std::vector<ImageErrors> FindImageErrors(const GroundTruth& truth, const Detections& detections,
                                         const ImageErrorOptions& options = {});

// Indices of the `count` entries with the greatest badness, worst first, equal ones
// in order. Images without errors are left out.
std::vector<int64_t> WorstImages(const std::vector<ImageErrors>& errors, int64_t count);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_IMAGE_ERRORS_H_

// A confusion matrix with background.
//
// Detections of at least `min_score` and objects are paired one to one, whatever
// their classes: pairs of IoU >= t, the largest IoU first, of equal IoUs those of
// one class. A pair counts for (class of the object, class of the detection); an
// object without a pair for (class, background), a detection without one for
// (background, class). Crowds and, on request, difficult objects are not counted;
// neither are unpaired detections with a share of more than t inside one of their class.
//
// The matrix is sparse: a dataset of 5,000 classes has 25 million cells, most of
// them empty.
//
// Example:
//   const ConfusionMatrix matrix = MeasureConfusion(truth, detections, {.min_score = 0.3});
//   const int64_t false_detections = matrix.Count(matrix.background(), 2);  // of class 2

#ifndef RCNN_EVAL_CURVES_CONFUSION_H_
#define RCNN_EVAL_CURVES_CONFUSION_H_

#include <cstdint>
#include <vector>

#include "rcnn/eval/coco_similarity.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval {

struct ConfusionOptions {
  double min_score = 0.5;
  // In (0, 1].
  double iou_threshold = 0.5;
  // VOC: ignores difficult objects like crowds.
  bool ignore_difficult = false;
  // Compares masks or keypoints instead of boxes; null: boxes.
  const CocoSimilarity* shapes = nullptr;
  // 0: all cores.
  int threads = 0;
};

struct ConfusionCell {
  int32_t truth = 0;  // position in GroundTruth::categories, or background()
  int32_t found = 0;
  int64_t count = 0;
};

struct ConfusionMatrix {
  ConfusionOptions options;
  int64_t classes = 0;
  // Not empty, ordered by truth, then found.
  std::vector<ConfusionCell> cells;

  int32_t background() const { return static_cast<int32_t>(classes); }
  int64_t Count(int64_t truth, int64_t found) const;
};

// `truth` is normalized; items of unlisted images or classes are left out.
ConfusionMatrix MeasureConfusion(const GroundTruth& truth, const Detections& detections,
                                 const ConfusionOptions& options = {});

// The classes with the most mistakes, at most `count`, in order of position, for
// showing a part of a large matrix.
std::vector<int32_t> MostConfusedClasses(const ConfusionMatrix& matrix, int64_t count);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_CURVES_CONFUSION_H_

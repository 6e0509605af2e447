// What COCO's evaluation needs to know about shapes of any kind: the similarity of
// a detection and an annotation, and the size of a detection.
//
// BoxSimilarity is the IoU of boxes.

#ifndef RCNN_EVAL_COCO_SIMILARITY_H_
#define RCNN_EVAL_COCO_SIMILARITY_H_

#include <cstdint>

#include "absl/types/span.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval {

// Called from many threads at once.
class CocoSimilarity {
 public:
  virtual ~CocoSimilarity() = default;

  // Size of a detection in square pixels; decides which area ranges it is in.
  virtual double Area(int64_t detection) const = 0;

  // Writes the similarity of a detection with each annotation to `similarities`,
  // which has the same length. At least one annotation, all of the detection's
  // category and image.
  virtual void Compare(int64_t detection, absl::Span<const uint32_t> annotations,
                       double* similarities) const = 0;
};

class BoxSimilarity : public CocoSimilarity {
 public:
  // Both must outlive this.
  BoxSimilarity(const GroundTruth& truth, const Detections& detections)
      : truth_(truth), detections_(detections) {}

  double Area(int64_t detection) const override;
  void Compare(int64_t detection, absl::Span<const uint32_t> annotations,
               double* similarities) const override;

 private:
  const GroundTruth& truth_;
  const Detections& detections_;
};

// Similarity of detections and annotations of one image regardless of class: of
// shapes, or of boxes if there are none.
class ImageSimilarity {
 public:
  // All must outlive this; shapes may be null.
  ImageSimilarity(const GroundTruth& truth, const Detections& detections,
                  const CocoSimilarity* shapes)
      : truth_(truth), detections_(detections), shapes_(shapes) {}

  double ToObject(int64_t detection, uint32_t annotation) const {
    return Compare(detection, annotation, /*region=*/false);
  }
  // Similarity with an ignore region: for boxes and masks, the share of the detection
  // inside it.
  double ToRegion(int64_t detection, uint32_t annotation) const {
    return Compare(detection, annotation, /*region=*/true);
  }

 private:
  double Compare(int64_t detection, uint32_t annotation, bool region) const;

  const GroundTruth& truth_;
  const Detections& detections_;
  const CocoSimilarity* shapes_;
};

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_COCO_SIMILARITY_H_

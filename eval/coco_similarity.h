// How alike a detection and an annotation are, and how large a detection is: what
// COCO's evaluation asks about shapes, whatever they are.
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

  // Writes the similarity of a detection with each of the annotations, which are
  // of its category and image and not none, to `similarities`, as many.
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

// How alike detections and annotations of one image are, whatever their classes: by
// shapes, or without them by boxes.
class Likeness {
 public:
  // All must outlive this; shapes may be null.
  Likeness(const GroundTruth& truth, const Detections& detections, const CocoSimilarity* shapes)
      : truth_(truth), detections_(detections), shapes_(shapes) {}

  double WithObject(int64_t detection, uint32_t annotation) const {
    return Compare(detection, annotation, /*region=*/false);
  }
  // With a region to ignore: of boxes and masks, how much of the detection lies in it.
  double WithRegion(int64_t detection, uint32_t annotation) const {
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

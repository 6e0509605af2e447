#include "rcnn/eval/coco_similarity.h"

#include "rcnn/eval/coco_matching.h"

namespace rcnn::eval {

double BoxSimilarity::Area(int64_t detection) const {
  const XywhBox& box = detections_.boxes[detection];
  return box.width * box.height;
}

void BoxSimilarity::Compare(int64_t detection, absl::Span<const uint32_t> annotations,
                            double* similarities) const {
  const XywhBox& box = detections_.boxes[detection];
  for (size_t i = 0; i < annotations.size(); ++i) {
    const Annotation& annotation = truth_.annotations[annotations[i]];
    similarities[i] = CocoIou(box, annotation.box, annotation.crowd);
  }
}

double ImageSimilarity::Compare(int64_t detection, uint32_t annotation, bool region) const {
  if (shapes_ == nullptr) {
    return CocoIou(detections_.boxes[detection], truth_.annotations[annotation].box, region);
  }
  double similarity = 0;
  shapes_->Compare(detection, {&annotation, 1}, &similarity);
  return similarity;
}

}  // namespace rcnn::eval

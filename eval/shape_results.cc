#include "rcnn/eval/shape_results.h"

#include <algorithm>
#include <utility>

#include "absl/types/span.h"
#include "rcnn/eval/shape_similarity.h"

namespace rcnn::eval {
namespace {

class MaskResults : public ShapeResults {
 public:
  MaskResults(const GroundTruth& truth, AnnotationMasks annotations, MaskDetections found)
      : annotations_(std::move(annotations)),
        found_(std::move(found)),
        iou_(truth, annotations_, found_) {}

  const CocoSimilarity& similarity() const override { return iou_; }
  const char* similarity_name() const override { return "IoU of masks"; }
  ShapeOutline DetectionOutline(int64_t d) const override { return OutlineMask(found_.masks[d]); }
  ShapeOutline AnnotationOutline(int64_t g) const override {
    return OutlineMask(annotations_.masks[g]);
  }
  XywhBox DetectionBox(int64_t d) const override {
    return found_.has_box[d] != 0 ? found_.detections.boxes[d] : BoxAround(found_.masks[d]);
  }

 private:
  const AnnotationMasks annotations_;
  const MaskDetections found_;
  const MaskSimilarity iou_;
};

class KeypointResults : public ShapeResults {
 public:
  KeypointResults(const GroundTruth& truth, AnnotationKeypoints annotations,
                  KeypointDetections found)
      : annotations_(std::move(annotations)),
        found_(std::move(found)),
        oks_(truth, annotations_, found_, CocoKeypointSigmas()) {}

  const CocoSimilarity& similarity() const override { return oks_; }
  const char* similarity_name() const override { return "OKS"; }
  ShapeOutline DetectionOutline(int64_t d) const override {
    return OutlineKeypoints(Numbers(d), /*annotation=*/false);
  }
  ShapeOutline AnnotationOutline(int64_t g) const override {
    const int64_t numbers = annotations_.keypoints * 3;
    return OutlineKeypoints(absl::MakeConstSpan(annotations_.numbers).subspan(g * numbers, numbers),
                            true);
  }
  XywhBox DetectionBox(int64_t d) const override {
    return found_.has_box[d] != 0 ? found_.detections.boxes[d] : BoxAroundKeypoints(Numbers(d));
  }

 private:
  absl::Span<const double> Numbers(int64_t d) const {
    const int64_t begin = d == 0 ? 0 : found_.ends[d - 1];
    return absl::MakeConstSpan(found_.numbers).subspan(begin, found_.ends[d] - begin);
  }

  const AnnotationKeypoints annotations_;
  const KeypointDetections found_;
  const KeypointSimilarity oks_;
};

}  // namespace

std::unique_ptr<ShapeResults> MakeMaskResults(const GroundTruth& truth, AnnotationMasks annotations,
                                              MaskDetections found) {
  return std::make_unique<MaskResults>(truth, std::move(annotations), std::move(found));
}

std::unique_ptr<ShapeResults> MakeKeypointResults(const GroundTruth& truth,
                                                  AnnotationKeypoints annotations,
                                                  KeypointDetections found) {
  return std::make_unique<KeypointResults>(truth, std::move(annotations), std::move(found));
}

}  // namespace rcnn::eval

// IoU of masks, and object keypoint similarity (OKS), for COCO's evaluation.
//
// OKS is the mean over the labelled keypoints of
//   exp(-d^2 / (2 s^2 k^2))
// where d is the distance, s^2 the object's area and k twice the keypoint's sigma.
// For an object without labelled keypoints, d is the distance to a box of three
// times its size.
//
// The size of a detection is the area of its mask, or of its box if the first record of
// the results has one. For keypoints, the area of the box around them takes the place of the
// mask's.
//
// Source: cocoapi PythonAPI/pycocotools/coco.py, loadRes; cocoeval.py, computeOks.

#ifndef RCNN_EVAL_SHAPE_SIMILARITY_H_
#define RCNN_EVAL_SHAPE_SIMILARITY_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "rcnn/eval/annotation_shapes.h"
#include "rcnn/eval/coco_similarity.h"
#include "rcnn/eval/ground_truth.h"
#include "rcnn/eval/shape_detections.h"

namespace rcnn::eval {

// The box around keypoints: [K, 3] x, y, score; K >= 1.
XywhBox BoxAroundKeypoints(absl::Span<const double> numbers);

// The references given to a constructor must outlive the object.
class MaskSimilarity : public CocoSimilarity {
 public:
  MaskSimilarity(const GroundTruth& truth, const AnnotationMasks& annotations,
                 const MaskDetections& results);

  double Area(int64_t detection) const override { return areas_[detection]; }
  void Compare(int64_t detection, absl::Span<const uint32_t> annotations,
               double* similarities) const override;

 private:
  const GroundTruth& truth_;
  const AnnotationMasks& annotations_;
  const MaskDetections& results_;
  std::vector<double> areas_;
};

// Of COCO's 17 keypoints of people.
std::vector<double> CocoKeypointSigmas();

class KeypointSimilarity : public CocoSimilarity {
 public:
  // sigmas: one for each keypoint.
  KeypointSimilarity(const GroundTruth& truth, const AnnotationKeypoints& annotations,
                     const KeypointDetections& results, const std::vector<double>& sigmas);

  double Area(int64_t detection) const override { return areas_[detection]; }
  void Compare(int64_t detection, absl::Span<const uint32_t> annotations,
               double* similarities) const override;

 private:
  double Oks(int64_t detection, uint32_t annotation) const;

  const GroundTruth& truth_;
  const AnnotationKeypoints& annotations_;
  const KeypointDetections& results_;
  std::vector<double> variances_;
  std::vector<double> areas_;
};

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_SHAPE_SIMILARITY_H_

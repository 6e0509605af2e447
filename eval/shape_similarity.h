// IoU of masks, and object keypoint similarity (OKS), for COCO's evaluation.
//
// OKS is the mean over the keypoints that are labelled of
//   exp(-d^2 / (2 s^2 k^2))
// d the distance, s^2 the object's area, k twice the keypoint's sigma. An object
// without labelled keypoints has, in place of d, the distance to a box of three
// times its size.
//
// The size of a detection is that of its mask; of its box where the first record
// of the results has one; for keypoints, of the box around them.
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

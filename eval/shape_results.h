// Results of masks or keypoints with the annotations that they are compared to.
//
// Provides what evaluations and reports need beyond boxes: similarity and outlines.
//
// Example:
//   const auto shapes = MakeMaskResults(truth, std::move(annotations), std::move(found));
//   RCNN_ASSIGN_OR_RETURN(CocoEvaluation evaluation,
//                         EvaluateCoco(truth, detections, shapes->similarity(), options));

#ifndef RCNN_EVAL_SHAPE_RESULTS_H_
#define RCNN_EVAL_SHAPE_RESULTS_H_

#include <cstdint>
#include <memory>

#include "rcnn/eval/annotation_shapes.h"
#include "rcnn/eval/coco_similarity.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/ground_truth.h"
#include "rcnn/eval/shape_detections.h"
#include "rcnn/eval/shape_outline.h"

namespace rcnn::eval {

// Called from many threads at once.
class ShapeResults {
 public:
  virtual ~ShapeResults() = default;
  virtual const CocoSimilarity& similarity() const = 0;

  // "IoU of masks" or "OKS", for texts.
  virtual const char* similarity_name() const = 0;

  // Of positions in the results, and in GroundTruth::annotations.
  virtual ShapeOutline DetectionOutline(int64_t detection) const = 0;
  virtual ShapeOutline AnnotationOutline(int64_t annotation) const = 0;

  // The box of the record, or the bounding box of its shape if it has none.
  virtual XywhBox DetectionBox(int64_t detection) const = 0;
};

// `truth` must outlive the result and must not move.
std::unique_ptr<ShapeResults> MakeMaskResults(const GroundTruth& truth, AnnotationMasks annotations,
                                              MaskDetections found);
std::unique_ptr<ShapeResults> MakeKeypointResults(const GroundTruth& truth,
                                                  AnnotationKeypoints annotations,
                                                  KeypointDetections found);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_SHAPE_RESULTS_H_

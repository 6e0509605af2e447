// The masks or keypoints of a COCO instances file's annotations.
//
// For the evaluation of masks and keypoints, beside coco_ground_truth.h, which
// reads the same file and checks everything else. Entries are in the order of
// the file, as GroundTruth::annotations.

#ifndef RCNN_EVAL_ANNOTATION_SHAPES_H_
#define RCNN_EVAL_ANNOTATION_SHAPES_H_

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "rcnn/eval/run_length_mask.h"
#include "rcnn/eval/shape_json.h"

namespace rcnn::eval {

using ImageSizes = absl::flat_hash_map<int64_t, ImageSize>;  // by image id

struct AnnotationMasks {
  ImageSizes images;
  MaskSet masks;  // [G]
};

struct AnnotationKeypoints {
  // [G, K, 3] x, y, visibility.
  std::vector<double> numbers;
  int64_t keypoints = 0;          // K
  std::vector<int64_t> labelled;  // [G] "num_keypoints"
};

// kInvalidArgument naming the path and the annotation (counted from 0) whose
// "segmentation" is missing or wrong (shape_json.h). threads: 0 for all cores.
absl::StatusOr<AnnotationMasks> ReadAnnotationMasks(const std::string& path, int threads);

// kInvalidArgument naming the path and the annotation whose "keypoints" or
// "num_keypoints" is missing or wrong, or has another number of keypoints than
// the first.
absl::StatusOr<AnnotationKeypoints> ReadAnnotationKeypoints(const std::string& path);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_ANNOTATION_SHAPES_H_

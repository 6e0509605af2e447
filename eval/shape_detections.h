// COCO results with masks or keypoints.
//
// Records {"image_id", "category_id", "segmentation" or "keypoints", "score"}, read
// as detections_reader.h reads those with boxes. A "bbox" is optional.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(MaskDetections results, ReadMaskDetections(path, images));

#ifndef RCNN_EVAL_SHAPE_DETECTIONS_H_
#define RCNN_EVAL_SHAPE_DETECTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/eval/annotation_shapes.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/detections_reader.h"
#include "rcnn/eval/run_length_mask.h"

namespace rcnn::eval {

// D detections. Boxes are 0 where the record has none.
struct MaskDetections {
  Detections detections;
  std::vector<uint8_t> has_box;  // [D]
  MaskSet masks;                 // [D]

  int64_t size() const { return detections.size(); }
  void ReserveLike(const MaskDetections& part, double times);
  void Append(const MaskDetections& other);
  void Clear();
};

struct KeypointDetections {
  Detections detections;
  std::vector<uint8_t> has_box;  // [D]
  std::vector<double> numbers;   // x, y, score of each keypoint
  std::vector<int64_t> ends;     // [D] in `numbers`

  int64_t size() const { return detections.size(); }
  void ReserveLike(const KeypointDetections& part, double times);
  void Append(const KeypointDetections& other);
  void Clear();
};

// Errors, kInvalidArgument, name the path and the record as ReadDetections does, and
// what is wrong with its mask (shape_json.h).
absl::StatusOr<MaskDetections> ReadMaskDetections(const std::string& path, const ImageSizes& images,
                                                  const DetectionsReaderOptions& options = {});

// keypoints: the required number per record.
absl::StatusOr<KeypointDetections> ReadKeypointDetections(
    const std::string& path, int64_t keypoints, const DetectionsReaderOptions& options = {});

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_SHAPE_DETECTIONS_H_

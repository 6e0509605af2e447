// Masks and keypoints in COCO's JSON.
//
// A part of the readers of results and annotations. A "segmentation" is a list of
// polygons, or {"size": [height, width], "counts": runs}, the runs as numbers or
// as packed text. "keypoints" are x, y and visibility of one keypoint after the other.

#ifndef RCNN_EVAL_SHAPE_JSON_H_
#define RCNN_EVAL_SHAPE_JSON_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "rcnn/eval/run_length_mask.h"
#include "simdjson.h"

namespace rcnn::eval {

// In pixels; 0 x 0 where it is not known.
struct ImageSize {
  int64_t height = 0;
  int64_t width = 0;

  bool known() const { return height > 0 && width > 0; }
};

// Adds a mask of an image. kInvalidArgument, adding nothing, for a value of
// neither form, a size that differs from the image's, polygons of an image of
// unknown size, or polygons of more than 2^18 numbers together.
absl::Status AddSegmentation(simdjson::dom::element value, const ImageSize& image, MaskSet& masks);

// Appends the numbers. kInvalidArgument for a value that is not a list of numbers,
// three for each keypoint and at most 3,000.
absl::Status AddKeypoints(simdjson::dom::element value, std::vector<double>& numbers);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_SHAPE_JSON_H_

// How well a grid of anchors can cover annotated boxes.
//
// A region proposal network hardly learns an object whose best anchor has a low
// IoU, so it is worth knowing before training. The best anchor is found without
// listing all: for one anchor shape the overlap in x decreases with the distance of
// the centres in x, and the same holds in y, so the nearest grid point is the best
// in each axis. Datasets of any size are measured in seconds, without tensors; the
// test compares with the anchors and the IoU of ops.
//
// Example:
//   double iou = BestAnchorIou(box, 1000, 600, {.stride_px = 16, .sizes_px = {128, 256, 512}});

#ifndef RCNN_DATA_INSPECTION_ANCHOR_COVERAGE_H_
#define RCNN_DATA_INSPECTION_ANCHOR_COVERAGE_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "rcnn/data/core/sample.h"

namespace rcnn::data {

struct AnchorGrid {
  // Distance between neighbouring centres, in pixels; there are ceil(width /
  // stride) x ceil(height / stride) centres.
  double stride_px = 16;
  // Square roots of the anchors' areas, in pixels.
  std::vector<double> sizes_px = {128, 256, 512};
  // Height / width.
  std::vector<double> aspect_ratios = {0.5, 1, 2};
  // Position of the first centre, in strides: 0 (the corner, torchvision) or 0.5.
  double center_offset = 0;
  // Use only anchors inside the image, as the 2015 recipe does.
  bool inside_only = false;
};

// kInvalidArgument, naming the field, for an empty list or a value that is not
// positive.
absl::Status CheckAnchorGrid(const AnchorGrid& grid);

// The largest IoU of any anchor with `box` on an image of this size; 0 if no
// anchor touches it. `grid` is valid.
double BestAnchorIou(const Box& box, double image_width, double image_height,
                     const AnchorGrid& grid);

}  // namespace rcnn::data

#endif  // RCNN_DATA_INSPECTION_ANCHOR_COVERAGE_H_

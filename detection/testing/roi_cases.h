// Maps and RoIs for tests of RoI pooling and of the head: a batch of two images of 128 x 144 px.

#ifndef RCNN_DETECTION_TESTING_ROI_CASES_H_
#define RCNN_DETECTION_TESTING_ROI_CASES_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rcnn::detection {

// Of RoiMaps(): channels, and pixels of a cell.
constexpr int64_t kRoiMapChannels = 4;
constexpr double kRoiMapStride = 16;

// [2, 4, 8, 9] float32, normally distributed, the same each time.
at::Tensor RoiMaps();

// [5, 5] float32, (image, x1, y1, x2, y2) in pixels, of both images: inside, across the border, of
// one cell, and with corners half-way between cells.
at::Tensor RoisOfMaps();

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_TESTING_ROI_CASES_H_

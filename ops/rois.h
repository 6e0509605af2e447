// Regions of interest (RoIs): the [R, 5] table that the RoI operators read.
//
// A row is (image, x1, y1, x2, y2): the index of an image in the batch, kept as a
// floating-point number, then a box in pixels of that image as the network sees
// it. Rows may come in any order; images may have none.
//
// Example:
//   at::Tensor rois = RoisFromBoxes({boxes_of_image_0, boxes_of_image_1});
//   at::Tensor crops = RoiAlign(features, rois, {.spatial_scale = 1.0 / 16});

#ifndef RCNN_OPS_ROIS_H_
#define RCNN_OPS_ROIS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rcnn::ops {

// RoI coordinates times the spatial scale may reach this many feature-map pixels
// either side of 0.
constexpr double kMaxRoiCoordinate = 1e9;

// Stacks one box list per image.
//
//   boxes   B lists [N_i, 4] float32|float64, one dtype and device; N_i may be 0
//   return  [sum N_i, 5] of the same dtype and device, in the order of the lists
// Gradients flow to the boxes. B == 0 throws, because the dtype of the result would
// be unknown.
at::Tensor RoisFromBoxes(at::TensorList boxes);

// `rois` is [R, 5] float32|float64|bfloat16. Throws c10::Error otherwise.
void CheckRoisShape(const at::Tensor& rois, const char* name);

// The same, and each row holds an index in [0, images) that is a whole number and a finite
// box with x2 >= x1, y2 >= y1 and coordinates whose product with `spatial_scale` is within
// kMaxRoiCoordinate. Throws c10::Error naming the first row that does not. Values are checked
// on the CPU alone. Kernels for CUDA give a RoI of another image NaN and no gradient.
void CheckRois(const at::Tensor& rois, const char* name, int64_t images, double spatial_scale);

// Checks the other arguments that the RoI operators share: `input` is [B, C, H, W]
// float32|float64|bfloat16, or with `takes_half` float16 unless it is on the CPU, on the
// device of `rois`, has fewer than 2^31 pixels, and at least one if there are RoIs; pooled
// sizes are in [1, 2^14]; the scale is positive and finite; the sampling ratio is at most
// 2^14. Each throws c10::Error.
void CheckRoiInput(const at::Tensor& input, const char* name, const at::Tensor& rois,
                   bool takes_half = false);
void CheckPooledSize(int64_t pooled_height, int64_t pooled_width);
void CheckSpatialScale(double spatial_scale);
void CheckSamplingRatio(int64_t sampling_ratio);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_ROIS_H_

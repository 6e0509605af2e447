// The detections of each image of a batch, from the output of the head for the RoIs of all.
//
// On the CPU, image after image (FastRcnnHead::Detect); on another device for all images at once
// (DetectTogether), where nothing forbids it, with one wait for the device. Boxes are decoded in
// pixels of the network's input and then scaled, or in pixels of the stored image
// (DetectionsConfig.decode_in_original_pixels).
//
// Shapes: B images; R RoIs.
//
// Example:
//   std::vector<Detections> found = DetectEach(*head, output, rois, sizes, original_sizes);

#ifndef RCNN_DETECTION_IMAGE_DETECTIONS_H_
#define RCNN_DETECTION_IMAGE_DETECTIONS_H_

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <vector>

#include "rcnn/detection/detections.h"
#include "rcnn/detection/fast_rcnn_head.h"
#include "rcnn/detection/head_losses.h"
#include "rcnn/detection/targets.h"
#include "rcnn/ops/boxes.h"

namespace rcnn::detection {

// Whether detections of so many RoIs are selected on their device: on another than the CPU,
// without voting, and where that takes less than some 600 MB.
bool SelectsOnDevice(const FastRcnnHead& head, const c10::Device& device, int64_t rois);

// The detections of each of B images, on the CPU, in pixels of the stored image.
//
//   output          of the head for the RoIs
//   rois            [R, 5] float32, (image, x1, y1, x2, y2) in pixels of the network's input, in
//                   any order; those of other images take part in nothing
//   sizes           of the B images, as the network sees them
//   original_sizes  of the B images, as they are stored
// Throws c10::Error, naming the value, on outputs that are not finite (SelectDetections).
std::vector<Detections> DetectEach(const FastRcnnHead& head, const HeadOutput& output,
                                   const at::Tensor& rois, const InputSizes& sizes,
                                   const std::vector<ops::ImageSize>& original_sizes);

// Boxes [N, 4] of detections in pixels of the stored image, in pixels of the network's input.
at::Tensor ToInputPixels(const at::Tensor& boxes, const ops::InputSize& input,
                         const ops::ImageSize& original);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_IMAGE_DETECTIONS_H_

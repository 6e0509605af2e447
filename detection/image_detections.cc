#include "rcnn/detection/image_detections.h"

#include <ATen/ATen.h>

#include <cstddef>
#include <utility>

#include "rcnn/ops/unchecked_values.h"

namespace rcnn::detection {
namespace {

// The most pairs of a RoI and a class whose detections are found together: about 150 bytes each.
constexpr int64_t kMaxPairsTogether = int64_t{4} << 20;

HeadOutput Rows(const HeadOutput& output, const at::Tensor& rows) {
  return {output.logits.index_select(0, rows), output.deltas.index_select(0, rows)};
}

ops::ImageSize PixelSize(const ops::InputSize& input) {
  return {static_cast<int64_t>(input.height), static_cast<int64_t>(input.width)};
}

// Factors (x, y) from pixels of the network's input to pixels of the stored image.
std::pair<double, double> ToOriginal(const ops::InputSize& input, const ops::ImageSize& original) {
  return {static_cast<double>(original.width) / static_cast<double>(input.width),
          static_cast<double>(original.height) / static_cast<double>(input.height)};
}

// The values are not checked: detections are valid boxes.
at::Tensor Scaled(const at::Tensor& boxes, double x, double y) {
  const ops::UncheckedValues unchecked;
  return ops::ScaleBoxes(boxes, x, y);
}

// If they are selected on the device, the detections of all images at once, with undefined tensors
// where a value is not finite; otherwise undefined tensors for each image.
std::vector<Detections> DetectOnDevice(const FastRcnnHead& head, const HeadOutput& output,
                                       const at::Tensor& rois, const InputSizes& sizes,
                                       const std::vector<ops::ImageSize>& original_sizes) {
  if (!SelectsOnDevice(head, rois.device(), rois.size(0))) {
    return std::vector<Detections>(sizes.size());
  }
  std::vector<DetectionFrame> frames;
  for (size_t b = 0; b < sizes.size(); ++b) {
    if (head.config().detections().decode_in_original_pixels()) {
      frames.push_back({original_sizes[b], sizes[b].scale});
      continue;
    }
    const auto [x, y] = ToOriginal(sizes[b], original_sizes[b]);
    frames.push_back({PixelSize(sizes[b]), 1, x, y});
  }
  return head.DetectTogether(output, rois, frames);
}

// On the host. `output` and `boxes` [R, 4] are those of the image's RoIs.
Detections DetectOne(const FastRcnnHead& head, const HeadOutput& output, const at::Tensor& boxes,
                     const ops::InputSize& input, const ops::ImageSize& original) {
  if (head.config().detections().decode_in_original_pixels()) {
    return head.Detect(output, boxes / input.scale, original);
  }
  Detections found = head.Detect(output, boxes, PixelSize(input));
  const auto [x, y] = ToOriginal(input, original);
  found.boxes = Scaled(found.boxes, x, y);
  return found;
}

}  // namespace

bool SelectsOnDevice(const FastRcnnHead& head, const c10::Device& device, int64_t rois) {
  return !device.is_cpu() && head.CanDetectTogether() &&
         rois <= kMaxPairsTogether / (head.num_classes() + 1);
}

std::vector<Detections> DetectEach(const FastRcnnHead& head, const HeadOutput& output,
                                   const at::Tensor& rois, const InputSizes& sizes,
                                   const std::vector<ops::ImageSize>& original_sizes) {
  std::vector<Detections> detections = DetectOnDevice(head, output, rois, sizes, original_sizes);
  for (size_t b = 0; b < sizes.size(); ++b) {
    if (detections[b].boxes.defined()) continue;
    const at::Tensor rows = (rois.select(1, 0) == static_cast<int64_t>(b)).nonzero().squeeze(1);
    const at::Tensor boxes = rois.index_select(0, rows).slice(1, 1).cpu().contiguous();
    detections[b] = DetectOne(head, Rows(output, rows), boxes, sizes[b], original_sizes[b]);
  }
  return detections;
}

at::Tensor ToInputPixels(const at::Tensor& boxes, const ops::InputSize& input,
                         const ops::ImageSize& original) {
  const auto [x, y] = ToOriginal(input, original);
  return Scaled(boxes, 1 / x, 1 / y);
}

}  // namespace rcnn::detection

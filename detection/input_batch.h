// Resizes and normalises images as a model expects, into one batch, on the device of the network.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(InputBatch batch, MakeInputBatch({rgb}, input, normalization));
//   const BatchMap images = CutImages(batch.images, batch.padded_sizes);
//   model->Detect(images, batch.sizes, batch.original_sizes);

#ifndef RCNN_DETECTION_INPUT_BATCH_H_
#define RCNN_DETECTION_INPUT_BATCH_H_

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/detection/targets.h"
#include "rcnn/ops/boxes.h"

namespace rcnn::detection {

struct InputBatch {
  at::Tensor images;  // [B, 3, H, W] float32, channels-last, padded with 0
  InputSizes sizes;
  // Of each image as it is alone: rounded up to pad_to_multiple_px.
  std::vector<ops::ImageSize> padded_sizes;
  std::vector<ops::ImageSize> original_sizes;
};

// `images`: [H, W, 3] uint8 RGB, of any sizes, at least one. InputBatch::images is on `device`: if
// that is not the CPU, bytes go there through pinned memory, and are resized and normalised there,
// with the CPU's bits; nothing waits for the device. kInvalidArgument, naming the image, for
// anything else and for a config out of range; kResourceExhausted if memory runs out, on a device
// naming the batch.
absl::StatusOr<InputBatch> MakeInputBatch(
    const std::vector<at::Tensor>& images, const configs::DetectorInputConfig& input,
    const configs::NormalizationConfig& normalization,
    const c10::Device& device = c10::Device(c10::DeviceType::CPU));

// What to do if a device has too little memory for a batch, in lower case.
inline constexpr char kBatchMemoryAdvice[] =
    "use fewer images at once, bfloat16, or a smaller input.shortest_side_px and longest_side_px "
    "in "
    "detector.textproto";

// Pixels of an image as the network sees it alone, padding included. Throws c10::Error for a
// size that is not positive or becomes too large.
int64_t CountInputPixels(int64_t height, int64_t width, const configs::DetectorInputConfig& input);

// Only the checks of the two messages.
absl::Status CheckInputConfig(const configs::DetectorInputConfig& input,
                              const configs::NormalizationConfig& normalization);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_INPUT_BATCH_H_

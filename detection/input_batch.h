// Resizes and normalises images as a model expects, into one batch.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(InputBatch batch, MakeInputBatch({rgb}, input, normalization));
//   const BatchMap images = CutImages(batch.images, batch.padded_sizes);
//   model->Detect(images, batch.sizes, batch.original_sizes);

#ifndef RCNN_DETECTION_INPUT_BATCH_H_
#define RCNN_DETECTION_INPUT_BATCH_H_

#include <ATen/core/Tensor.h>

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

// `images`: [H, W, 3] uint8 RGB, of any sizes, at least one. kInvalidArgument,
// naming the image, for anything else and for a config out of range.
absl::StatusOr<InputBatch> MakeInputBatch(const std::vector<at::Tensor>& images,
                                          const configs::DetectorInputConfig& input,
                                          const configs::NormalizationConfig& normalization);

// Pixels of an image as the network sees it alone, padding included. Throws c10::Error for a
// size that is not positive or becomes too large.
int64_t CountInputPixels(int64_t height, int64_t width, const configs::DetectorInputConfig& input);

// Only the checks of the two messages.
absl::Status CheckInputConfig(const configs::DetectorInputConfig& input,
                              const configs::NormalizationConfig& normalization);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_INPUT_BATCH_H_

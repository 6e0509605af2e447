// Converts a loader's batch to the form used by the detector's losses.
//
// Example:
//   detection::Losses losses = model->ComputeLosses(
//       MakeImages(batch), {MakeInputSizes(batch), MakeGroundTruths(batch)}, generator);

#ifndef RCNN_TRAINING_TRAINER_BATCH_TARGETS_H_
#define RCNN_TRAINING_TRAINER_BATCH_TARGETS_H_

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <vector>

#include "rcnn/data/loader/batch.h"
#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/targets.h"
#include "rcnn/ops/boxes.h"

namespace rcnn::training {

// One per image: height and width of the network's input without padding, and scale.
detection::InputSizes MakeInputSizes(const data::Batch& batch);

// Boxes in pixels of the network's input, and the images' ids in the dataset. Objects marked as
// difficult are, like crowds, neither positive nor negative; datasets drop the mark if the
// experiment says so (configs/dataset.proto).
detection::GroundTruths MakeGroundTruths(const data::Batch& batch);

// The images that this process takes, each with its own padding and without the batch's, on
// `device`. Bytes (BatchBuilderOptions::keep_bytes) are copied there and become the input there,
// with the same bits and channels-last (ops/preprocess_batch.h). Nothing waits for the device.
detection::BatchMap MakeImages(const data::Batch& batch,
                               const c10::Device& device = c10::Device(c10::DeviceType::CPU));

// The image of row `slot` of batch.images, likewise: [1, 3, H, W].
at::Tensor MakeImage(const data::Batch& batch, int64_t slot, const c10::Device& device);

// The size of an image as the network sees it: with its own padding.
ops::ImageSize SizeOfInput(const data::BatchImage& entry);

// Sizes of the images as stored.
std::vector<ops::ImageSize> OriginalSizes(const data::Batch& batch);

// Converts boxes [N, 4] from pixels of the network's input to pixels of the stored
// image.
at::Tensor ToStoredPixels(const at::Tensor& boxes, const data::BatchImage& entry);
// The reverse of ToStoredPixels.
at::Tensor ToInputPixels(const at::Tensor& boxes, const data::BatchImage& entry);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_BATCH_TARGETS_H_

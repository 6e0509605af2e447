// A loader's batch in the form that the detector's losses take.
//
// Example:
//   losses = model->Losses(batch.images, MakeImageInfo(batch), MakeGroundTruths(batch), generator);

#ifndef RCNN_TRAINING_TRAINER_BATCH_TARGETS_H_
#define RCNN_TRAINING_TRAINER_BATCH_TARGETS_H_

#include <ATen/core/Tensor.h>

#include <vector>

#include "rcnn/data/loader/batch.h"
#include "rcnn/detection/targets.h"
#include "rcnn/ops/boxes.h"

namespace rcnn::training {

// [B, 3] float32: height, width, scale.
detection::ImageInfo MakeImageInfo(const data::Batch& batch);

// Boxes in pixels of the network's input. Objects marked as difficult are, like
// crowds, neither positive nor negative; datasets leave the mark out where the
// experiment says otherwise (configs/dataset.proto).
detection::GroundTruths MakeGroundTruths(const data::Batch& batch);

// Sizes of the images as stored.
std::vector<ops::ImageSize> OriginalSizes(const data::Batch& batch);

// Boxes [N, 4] of the network's input in pixels of the image as stored.
at::Tensor ToStoredPixels(const at::Tensor& boxes, const data::BatchImage& entry);
// The other way.
at::Tensor ToInputPixels(const at::Tensor& boxes, const data::BatchImage& entry);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_BATCH_TARGETS_H_

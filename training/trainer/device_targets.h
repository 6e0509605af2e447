// Moves what a batch is trained on to the device of the network.
//
// Sizes of images stay on the host. On another device than the CPU no operator checks values
// (ops/README.md), so those of the ground truth are checked here, before they leave.
//
// Example:
//   const detection::GroundTruths truths = ToDevice(MakeGroundTruths(batch), device);

#ifndef RCNN_TRAINING_TRAINER_DEVICE_TARGETS_H_
#define RCNN_TRAINING_TRAINER_DEVICE_TARGETS_H_

#include <c10/core/Device.h>

#include <cstdint>

#include "rcnn/detection/roi_samples.h"
#include "rcnn/detection/targets.h"

namespace rcnn::training {

// Ground truth on the CPU, on `device`. Throws c10::Error, naming the row, if `device` is not the
// CPU and a box is not valid.
detection::GroundTruths ToDevice(const detection::GroundTruths& truths, const c10::Device& device);

// RoIs that were sampled on the CPU, with their numbers (RoiSamples::rois_of_image) in a batch of
// `images`: on a device nothing then waits for these.
detection::RoiSamples CountRois(const detection::RoiSamples& samples, int64_t images);

// RoIs that were sampled on the CPU, on `device`.
detection::RoiSamples ToDevice(const detection::RoiSamples& samples, const c10::Device& device);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_DEVICE_TARGETS_H_

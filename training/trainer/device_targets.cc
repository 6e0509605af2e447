#include "rcnn/training/trainer/device_targets.h"

#include <ATen/core/Tensor.h>

#include "rcnn/ops/check.h"

namespace rcnn::training {

using detection::GroundTruth;
using detection::GroundTruths;
using detection::RoiSamples;

GroundTruths ToDevice(const GroundTruths& truths, const c10::Device& device) {
  if (device.is_cpu()) return truths;
  GroundTruths moved;
  for (const GroundTruth& truth : truths) {
    ops::CheckBoxes(truth.boxes, "ground truth");
    moved.push_back({truth.boxes.to(device), truth.labels.to(device),
                     truth.is_crowd.defined() ? truth.is_crowd.to(device) : truth.is_crowd});
  }
  return moved;
}

RoiSamples ToDevice(const RoiSamples& samples, const c10::Device& device) {
  RoiSamples moved = samples;
  moved.rois = samples.rois.to(device);
  moved.labels = samples.labels.to(device);
  moved.box_targets = samples.box_targets.to(device);
  return moved;
}

}  // namespace rcnn::training

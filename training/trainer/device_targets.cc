#include "rcnn/training/trainer/device_targets.h"

#include <ATen/core/Tensor.h>

#include "rcnn/detection/device_copy.h"
#include "rcnn/ops/check.h"

namespace rcnn::training {

using detection::CopyToDevice;
using detection::GroundTruth;
using detection::GroundTruths;
using detection::RoiSamples;

GroundTruths ToDevice(const GroundTruths& truths, const c10::Device& device) {
  if (device.is_cpu()) return truths;
  GroundTruths moved;
  for (const GroundTruth& truth : truths) {
    ops::CheckBoxes(truth.boxes, "ground truth");
    moved.push_back(
        {CopyToDevice(truth.boxes, device), CopyToDevice(truth.labels, device),
         truth.is_crowd.defined() ? CopyToDevice(truth.is_crowd, device) : truth.is_crowd,
         truth.image_id});
  }
  return moved;
}

RoiSamples CountRois(const RoiSamples& samples, int64_t images) {
  RoiSamples counted = samples;
  const at::Tensor image = samples.rois.select(1, 0).to(at::kLong).contiguous();
  counted.rois_of_image.assign(static_cast<size_t>(images), 0);
  for (int64_t r = 0; r < image.size(0); ++r) {
    ++counted.rois_of_image[static_cast<size_t>(image.data_ptr<int64_t>()[r])];
  }
  return counted;
}

RoiSamples ToDevice(const RoiSamples& samples, const c10::Device& device) {
  RoiSamples moved = samples;
  moved.rois = CopyToDevice(samples.rois, device);
  moved.labels = CopyToDevice(samples.labels, device);
  moved.box_targets = CopyToDevice(samples.box_targets, device);
  if (samples.draw_rows.defined()) moved.draw_rows = CopyToDevice(samples.draw_rows, device);
  return moved;
}

}  // namespace rcnn::training

// Draws the RoIs that the head is trained on from the proposals of a batch and its ground truth.
//
// A box whose IoU with an object is at least foreground_iou is a positive RoI of that object. One
// whose best IoU is in [background_min_iou, background_max_iou) is background. Others, and
// background inside crowd regions, are not drawn. Each image gives at most rois_per_image RoIs, of
// which at most positive_fraction are positive. The ground truth itself is among the boxes if the
// config says so (HeadTargetsConfig).
//
// Draws by counters (ops/counter_sampler.h) under one key from the generator: the picks of an image
// depend on its id, and not on the batch or the device.
//
// Shapes: B images; P_b proposals of image b; R RoIs.
//
// Source: Girshick, arXiv:1504.08083, Sec. 2.3; Ren et al., arXiv:1506.01497v3.
//
// Example:
//   RoiSamples samples = SampleRois(proposals, truths, generator, coder, config);

#ifndef RCNN_DETECTION_ROI_SAMPLER_H_
#define RCNN_DETECTION_ROI_SAMPLER_H_

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <vector>

#include "rcnn/configs/model.pb.h"
#include "rcnn/detection/roi_samples.h"
#include "rcnn/detection/targets.h"
#include "rcnn/ops/box_coder.h"

namespace rcnn::detection {

// The RoIs of each image, its positive ones first, in the order of the images.
//
//   proposals  [P_b, 4] float32 of each image, (x1, y1, x2, y2) in pixels of the network's input
//   truths     of each image, on the device of its proposals
//   coder      for the box targets
//   config     its targets, and the corners of its box_coder
// An image without objects gives only background RoIs; one without proposals and objects gives
// none. No gradient flows. Throws c10::Error on invalid proposals or ground truth, naming the row,
// if they are on the CPU, and if the numbers of images differ.
RoiSamples SampleRois(const std::vector<at::Tensor>& proposals, const GroundTruths& truths,
                      at::Generator generator, const ops::BoxCoderOptions& coder,
                      const configs::HeadConfig& config);

// The same picks in tensors of a fixed size. Every image gets rois_per_image RoIs, with
// RoiSamples::rois_of_image; those beyond its samples have label -1. Nothing waits for the device.
//
//   proposals  [B, K, 4] float32, on the device of the ground truth
//   counts     [B] int64, of the proposals of each image
// Throws c10::Error if the numbers of images differ.
RoiSamples SampleCountedRois(const at::Tensor& proposals, const at::Tensor& counts,
                             const CountedTruths& truths, at::Generator generator,
                             const ops::BoxCoderOptions& coder, const configs::HeadConfig& config);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_ROI_SAMPLER_H_

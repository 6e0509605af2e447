// What the RPN computes for images of one size, with the anchors that it belongs to, and the
// outputs of a batch in parts: where images differ in size, one for each image (BatchFeatures).
//
// Shapes: B images; N anchors of an image over all levels, level by level, in each cell by cell;
// N_b if the images differ in size.
//
// Example:
//   const std::vector<at::Tensor> anchors = AnchorsOfParts(parts);
//   const int64_t before_second = CountAnchors(anchors, 1);

#ifndef RCNN_DETECTION_RPN_OUTPUT_H_
#define RCNN_DETECTION_RPN_OUTPUT_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "rcnn/ops/counter_sampler.h"
#include "rcnn/ops/proposals.h"

namespace rcnn::detection {

// Of images of one size. One element per level, at least one: logits, deltas and anchors.
using RpnOutput = std::vector<ops::ProposalLevel>;

int64_t CountImages(const RpnOutput& output);

// The anchors [N, 4] of all levels.
at::Tensor AllAnchors(const RpnOutput& output);

// The anchors [N_b, 4] of each image; images of one part share theirs.
std::vector<at::Tensor> AnchorsOfParts(const std::vector<RpnOutput>& parts);

// Images, anchors, ... of a batch in parts as one tensor [B, N, ...], where N is that of the part
// with the most anchors, and at least 1; zeros fill the rest.
at::Tensor StackParts(const std::vector<at::Tensor>& parts);

// The number of anchors of the first `images` images.
int64_t CountAnchors(const std::vector<at::Tensor>& anchors, int64_t images);

// The sampled anchors of all images, an int64 scalar on the device.
at::Tensor CountSampled(const ops::CountedSample& sample);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_RPN_OUTPUT_H_

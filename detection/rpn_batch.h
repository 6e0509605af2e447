// The outputs and the anchors of a batch in parts, for the sources of rpn.h.
//
// Internal to rpn.

#ifndef RCNN_DETECTION_RPN_BATCH_H_
#define RCNN_DETECTION_RPN_BATCH_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "rcnn/detection/rpn.h"
#include "rcnn/ops/counter_sampler.h"

namespace rcnn::detection {

int64_t CountImages(const RpnOutput& output);

// The anchors [N, 4] of all levels.
at::Tensor AllAnchors(const RpnOutput& output);

// The anchors [N_b, 4] of each image.
std::vector<at::Tensor> AnchorsOfParts(const std::vector<RpnOutput>& parts);

// Images, anchors, ... of a batch in parts as one tensor [B, N, ...], where N is that of the part
// with the most anchors, and at least 1; zeros fill the rest.
at::Tensor StackParts(const std::vector<at::Tensor>& parts);

// The number of anchors of the first `images` images.
int64_t CountAnchors(const std::vector<at::Tensor>& anchors, int64_t images);

// The sampled anchors of all images, an int64 scalar on the device.
at::Tensor CountSampled(const ops::CountedSample& sample);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_RPN_BATCH_H_

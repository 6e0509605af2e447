// Region proposals in tensors of a fixed size with counts: nothing waits for a device.
//
// For the rules see proposals.h.
//
// Shapes: B images; K = min(post_nms_top_n, L min(pre_nms_top_n, anchors of the largest level)) for
// L levels.
//
// Example:
//   CountedProposals proposals = GenerateCountedProposals(levels, image_info, options);

#ifndef RCNN_OPS_COUNTED_PROPOSALS_H_
#define RCNN_OPS_COUNTED_PROPOSALS_H_

#include <ATen/core/Tensor.h>

#include <vector>

#include "rcnn/ops/proposals.h"

namespace rcnn::ops {

// On the device of the network's output; 0 beyond the counts.
struct CountedProposals {
  at::Tensor rois;    // [B, K, 5] float32, (image index, x1, y1, x2, y2), best first
  at::Tensor scores;  // [B, K] float32, probabilities
  at::Tensor counts;  // [B] int64
};

// The proposals of GenerateProposals.
//
//   levels      as for GenerateProposals
//   image_info  [B, 3] float32 on the same device: height, width and scale of each image, as in
//               InputSize
// Throws c10::Error as GenerateProposals does; sizes are checked on the CPU alone.
CountedProposals GenerateCountedProposals(const std::vector<ProposalLevel>& levels,
                                          const at::Tensor& image_info,
                                          const ProposalOptions& options);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_COUNTED_PROPOSALS_H_

// The checked arguments of the operator behind proposals.h, for its kernels.
//
// Internal to ops.

#ifndef RCNN_OPS_PROPOSALS_REQUEST_H_
#define RCNN_OPS_PROPOSALS_REQUEST_H_

#include <ATen/core/Tensor.h>
#include <c10/util/string_view.h>

#include <cstdint>
#include <vector>

#include "rcnn/ops/kernels/region_proposals.h"
#include "rcnn/ops/proposals.h"

namespace rcnn::ops {

struct ProposalRequest {
  std::vector<ProposalLevel> levels;
  ProposalOptions options;
  std::vector<ProposalImage> images;

  int64_t batch() const { return levels[0].deltas.size(0); }
  // Anchors of a level that are decoded, at most.
  int64_t LevelCapacity() const;
  // Proposals of an image, at most.
  int64_t Capacity() const;
};

// The arguments of the schema of "proposals.sizes", in its order. Throws c10::Error as
// GenerateProposals does, except that the values of logits and deltas are not checked.
ProposalRequest ReadProposalRequest(at::TensorList logits, at::TensorList deltas,
                                    at::TensorList anchors, at::ArrayRef<double> image_info,
                                    c10::string_view objectness, int64_t pre_nms_top_n,
                                    int64_t post_nms_top_n, double nms_iou_threshold,
                                    bool nms_suppress_equal, double min_side_px,
                                    bool drop_small_before_top_n, at::ArrayRef<double> weights,
                                    at::ArrayRef<double> mean, at::ArrayRef<double> stddev,
                                    double max_log_scale, bool inclusive, bool exact_inverse);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_PROPOSALS_REQUEST_H_

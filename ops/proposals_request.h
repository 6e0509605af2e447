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

  int64_t batch() const { return levels[0].deltas.size(0); }
};

// The request in the arguments of the schema; options.objectness is read from `objectness`. Throws
// c10::Error as GenerateProposals does, except that the values of logits and deltas are not
// checked.
ProposalRequest ReadProposalRequest(at::TensorList logits, at::TensorList deltas,
                                    at::TensorList anchors, c10::string_view objectness,
                                    ProposalOptions options);

// The `batch` images of `image_info`, which holds (height, width, scale) of each. Throws c10::Error
// naming the row if a size is < 1 or a scale <= 0, and on another number of values.
std::vector<ProposalImage> ReadProposalImages(at::ArrayRef<double> image_info, int64_t batch,
                                              double min_side_px);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_PROPOSALS_REQUEST_H_

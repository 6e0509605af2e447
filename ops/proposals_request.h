// The checked arguments of the operator behind proposals.h, for its kernels.
//
// Internal to ops.

#ifndef RCNN_OPS_PROPOSALS_REQUEST_H_
#define RCNN_OPS_PROPOSALS_REQUEST_H_

#include <ATen/core/Tensor.h>
#include <c10/util/string_view.h>

#include <cstdint>
#include <vector>

#include "rcnn/ops/box_coder_schema.h"
#include "rcnn/ops/kernels/region_proposals.h"
#include "rcnn/ops/proposals.h"

// The schema of operator `name`, whose argument image_info has the type `info`. The defaults are
// those of ProposalOptions.
#define RCNN_PROPOSALS_SCHEMA(name, info)                                   \
  name "(Tensor[] logits, Tensor[] deltas, Tensor[] anchors, " info         \
       " image_info, *, str objectness='sigmoid', int pre_nms_top_n=6000, " \
       "int post_nms_top_n=300, float nms_iou_threshold=0.7, "              \
       "bool nms_suppress_equal=False, float min_side_px=16., "             \
       "bool drop_small_before_top_n=False, " RCNN_BOX_CODER_SCHEMA         \
       ") -> (Tensor rois, Tensor scores, Tensor counts)"

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

// The same of "counted_proposals". image_info [B, 3] float32 stays on the device of the deltas, so
// the request's images are not those of the batch. Throws c10::Error on another image_info too.
ProposalRequest ReadCountedProposalRequest(
    at::TensorList logits, at::TensorList deltas, at::TensorList anchors,
    const at::Tensor& image_info, c10::string_view objectness, int64_t pre_nms_top_n,
    int64_t post_nms_top_n, double nms_iou_threshold, bool nms_suppress_equal, double min_side_px,
    bool drop_small_before_top_n, at::ArrayRef<double> weights, at::ArrayRef<double> mean,
    at::ArrayRef<double> stddev, double max_log_scale, bool inclusive, bool exact_inverse);

// Calls an operator of RCNN_PROPOSALS_SCHEMA (dispatch.h). Returns its rois, scores and counts.
template <typename Operator, typename ImageInfo>
auto CallProposalOperator(const Operator& op, const std::vector<ProposalLevel>& levels,
                          const ImageInfo& image_info, const ProposalOptions& options) {
  std::vector<at::Tensor> logits, deltas, anchors;
  for (const ProposalLevel& level : levels) {
    logits.push_back(level.logits);
    deltas.push_back(level.deltas);
    anchors.push_back(level.anchors);
  }
  const bool is_pair = options.objectness == ObjectnessKind::kSoftmaxPair;
  const BoxCoderOptions& coder = options.coder;
  return op.call(logits, deltas, anchors, image_info, is_pair ? "softmax_pair" : "sigmoid",
                 options.pre_nms_top_n, options.post_nms_top_n, options.nms_iou_threshold,
                 options.nms_suppress_equal, options.min_side_px, options.drop_small_before_top_n,
                 coder.weights, coder.mean, coder.stddev, coder.max_log_scale, coder.inclusive,
                 coder.exact_inverse);
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_PROPOSALS_REQUEST_H_

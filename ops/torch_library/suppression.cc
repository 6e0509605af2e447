// torch.ops.rcnn: nms, batched_nms, soft_nms, vote_boxes, proposals.

#include <torch/library.h>

#include <limits>
#include <tuple>
#include <vector>

#include "rcnn/ops/batched_nms.h"
#include "rcnn/ops/box_voting.h"
#include "rcnn/ops/nms.h"
#include "rcnn/ops/proposals.h"
#include "rcnn/ops/soft_nms.h"
#include "rcnn/ops/torch_library/box_coder_arguments.h"

namespace rcnn::ops {
namespace {

int64_t MaxKeep(c10::optional<int64_t> max_keep) {
  return max_keep.value_or(std::numeric_limits<int64_t>::max());
}

at::Tensor NmsOp(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold,
                 c10::optional<int64_t> max_keep, bool suppress_equal, bool inclusive) {
  return Nms(boxes, scores, {iou_threshold, MaxKeep(max_keep), suppress_equal, inclusive});
}

at::Tensor BatchedNmsOp(const at::Tensor& boxes, const at::Tensor& scores,
                        const at::Tensor& classes, double iou_threshold,
                        c10::optional<int64_t> max_keep, bool suppress_equal, bool inclusive) {
  return BatchedNms(boxes, scores, classes,
                    {iou_threshold, MaxKeep(max_keep), suppress_equal, inclusive});
}

SoftNmsOptions::Decay DecayNamed(c10::string_view name) {
  if (name == "linear") return SoftNmsOptions::Decay::kLinear;
  TORCH_CHECK(name == "gaussian", "decay: is '", name, "', not 'linear' or 'gaussian'");
  return SoftNmsOptions::Decay::kGaussian;
}

std::tuple<at::Tensor, at::Tensor> SoftNmsOp(const at::Tensor& boxes, const at::Tensor& scores,
                                             c10::string_view decay, double iou_threshold,
                                             double sigma, double score_threshold,
                                             c10::optional<int64_t> max_keep, bool inclusive) {
  const SoftNmsOptions options = {DecayNamed(decay), iou_threshold,     sigma,
                                  score_threshold,   MaxKeep(max_keep), inclusive};
  const SoftNmsResult result = SoftNms(boxes, scores, options);
  return {result.kept, result.scores};
}

at::Tensor VoteBoxesOp(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& classes,
                       const at::Tensor& kept, double iou_threshold, bool inclusive) {
  return VoteBoxes(boxes, scores, classes, kept, {iou_threshold, inclusive});
}

ObjectnessKind ObjectnessNamed(c10::string_view name) {
  if (name == "sigmoid") return ObjectnessKind::kSigmoid;
  TORCH_CHECK(name == "softmax_pair", "objectness: is '", name,
              "', not 'sigmoid' or 'softmax_pair'");
  return ObjectnessKind::kSoftmaxPair;
}

std::vector<ProposalLevel> Levels(at::TensorList logits, at::TensorList deltas,
                                  at::TensorList anchors) {
  TORCH_CHECK(logits.size() == deltas.size() && logits.size() == anchors.size(), "logits, deltas, ",
              "anchors: are lists of ", logits.size(), ", ", deltas.size(), " and ", anchors.size(),
              " levels");
  std::vector<ProposalLevel> levels;
  for (size_t i = 0; i < logits.size(); ++i) levels.push_back({logits[i], deltas[i], anchors[i]});
  return levels;
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> ProposalsOp(
    at::TensorList logits, at::TensorList deltas, at::TensorList anchors,
    const at::Tensor& image_info, c10::string_view objectness, int64_t pre_nms_top_n,
    int64_t post_nms_top_n, double nms_iou_threshold, bool nms_suppress_equal, double min_side_px,
    bool drop_small_before_top_n, at::ArrayRef<double> weights, at::ArrayRef<double> mean,
    at::ArrayRef<double> stddev, double max_log_scale, bool inclusive, bool exact_inverse) {
  const std::vector<ProposalLevel> levels = Levels(logits, deltas, anchors);
  const ProposalOptions options = {
      ObjectnessNamed(objectness),
      pre_nms_top_n,
      post_nms_top_n,
      nms_iou_threshold,
      nms_suppress_equal,
      min_side_px,
      drop_small_before_top_n,
      BoxCoderArguments(weights, mean, stddev, max_log_scale, inclusive, exact_inverse)};
  const Proposals found = GenerateProposals(levels, image_info, options);
  return {found.rois, found.scores, found.counts};
}

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  m.def(
      "nms(Tensor boxes, Tensor scores, float iou_threshold=0.7, *, int? max_keep=None, "
      "bool suppress_equal=False, bool inclusive=False) -> Tensor",
      &NmsOp);
  m.def(
      "batched_nms(Tensor boxes, Tensor scores, Tensor classes, float iou_threshold=0.7, *, "
      "int? max_keep=None, bool suppress_equal=False, bool inclusive=False) -> Tensor",
      &BatchedNmsOp);
  m.def(
      "soft_nms(Tensor boxes, Tensor scores, *, str decay='gaussian', float iou_threshold=0.3, "
      "float sigma=0.5, float score_threshold=0.001, int? max_keep=None, bool inclusive=False) "
      "-> (Tensor kept, Tensor scores)",
      &SoftNmsOp);
  m.def(
      "vote_boxes(Tensor boxes, Tensor scores, Tensor classes, Tensor kept, "
      "float iou_threshold=0.5, *, bool inclusive=False) -> Tensor",
      &VoteBoxesOp);
  m.def(
      "proposals(Tensor[] logits, Tensor[] deltas, Tensor[] anchors, Tensor image_info, *, "
      "str objectness='sigmoid', int pre_nms_top_n=6000, int post_nms_top_n=300, "
      "float nms_iou_threshold=0.7, bool nms_suppress_equal=False, float min_side_px=16., "
      "bool drop_small_before_top_n=False, " RCNN_BOX_CODER_SCHEMA
      ") -> (Tensor rois, Tensor scores, Tensor counts)",
      &ProposalsOp);
}

}  // namespace
}  // namespace rcnn::ops

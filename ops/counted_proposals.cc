#include "rcnn/ops/counted_proposals.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <tuple>
#include <utility>
#include <vector>

#include "rcnn/ops/box_coder_schema.h"
#include "rcnn/ops/check.h"
#include "rcnn/ops/dispatch.h"
#include "rcnn/ops/proposals_request.h"

namespace rcnn::ops {
namespace {

using ProposalTensors = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

CountedProposals Allocate(const ProposalRequest& request) {
  const at::TensorOptions floats = request.levels[0].deltas.options().dtype(at::kFloat);
  const int64_t images = request.batch(), rows = request.Capacity();
  return {at::zeros({images, rows, 5}, floats), at::zeros({images, rows}, floats),
          at::zeros({images}, floats.dtype(at::kLong))};
}

std::vector<InputSize> ReadSizes(const at::Tensor& image_info) {
  const at::Tensor values = image_info.detach().contiguous();
  const float* row = values.data_ptr<float>();
  std::vector<InputSize> sizes;
  for (int64_t b = 0; b < values.size(0); ++b, row += 3) sizes.push_back({row[0], row[1], row[2]});
  return sizes;
}

// Copies the proposals of all images, one after another, to the rows of each.
void Spread(const Proposals& found, const CountedProposals& results) {
  results.counts.copy_(found.counts);
  int64_t begin = 0;
  for (int64_t b = 0; b < found.counts.size(0); ++b) {
    const int64_t count = found.counts.data_ptr<int64_t>()[b];
    results.rois[b].narrow(0, 0, count).copy_(found.rois.narrow(0, begin, count));
    results.scores[b].narrow(0, 0, count).copy_(found.scores.narrow(0, begin, count));
    begin += count;
  }
}

ProposalTensors ProposalsOnCpuOrMeta(at::TensorList logits, at::TensorList deltas,
                                     at::TensorList anchors, const at::Tensor& image_info,
                                     c10::string_view objectness, int64_t pre_nms_top_n,
                                     int64_t post_nms_top_n, double nms_iou_threshold,
                                     bool nms_suppress_equal, double min_side_px,
                                     bool drop_small_before_top_n, at::ArrayRef<double> weights,
                                     at::ArrayRef<double> mean, at::ArrayRef<double> stddev,
                                     double max_log_scale, bool inclusive, bool exact_inverse) {
  CheckCountedImageInfo(deltas, image_info);
  const std::vector<double> unread(static_cast<size_t>(image_info.numel()), 1);
  const ProposalRequest request = ReadProposalRequest(
      logits, deltas, anchors, unread, objectness, pre_nms_top_n, post_nms_top_n, nms_iou_threshold,
      nms_suppress_equal, min_side_px, drop_small_before_top_n, weights, mean, stddev,
      max_log_scale, inclusive, exact_inverse);
  const CountedProposals results = Allocate(request);
  if (!image_info.is_meta()) {
    Spread(GenerateProposals(request.levels, ReadSizes(image_info), request.options), results);
  }
  return {results.rois, results.scores, results.counts};
}

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  DefineOperator(m,
                 "counted_proposals(Tensor[] logits, Tensor[] deltas, Tensor[] anchors, "
                 "Tensor image_info, *, str objectness='sigmoid', int pre_nms_top_n=6000, "
                 "int post_nms_top_n=300, float nms_iou_threshold=0.7, "
                 "bool nms_suppress_equal=False, float min_side_px=16., "
                 "bool drop_small_before_top_n=False, " RCNN_BOX_CODER_SCHEMA
                 ") -> (Tensor rois, Tensor scores, Tensor counts)",
                 &ProposalsOnCpuOrMeta, &ProposalsOnCpuOrMeta);
}

}  // namespace

void CheckCountedImageInfo(at::TensorList deltas, const at::Tensor& image_info) {
  TORCH_CHECK(!deltas.empty(), "levels: expected at least one, got none");
  CheckShape(deltas[0], "deltas of level 0", {-1, -1, -1, -1});
  CheckShape(image_info, "image_info", {deltas[0].size(0), 3});
  CheckDtype(image_info, "image_info", {at::kFloat});
  CheckSameDevice(image_info, "image_info", deltas[0], "deltas of level 0");
}

CountedProposals GenerateCountedProposals(const std::vector<ProposalLevel>& levels,
                                          const at::Tensor& image_info,
                                          const ProposalOptions& options) {
  static const auto op = FindOperator<decltype(ProposalsOnCpuOrMeta)>("counted_proposals");
  std::vector<at::Tensor> logits, deltas, anchors;
  for (const ProposalLevel& level : levels) {
    logits.push_back(level.logits);
    deltas.push_back(level.deltas);
    anchors.push_back(level.anchors);
  }
  const bool is_pair = options.objectness == ObjectnessKind::kSoftmaxPair;
  const BoxCoderOptions& coder = options.coder;
  auto [rois, scores, counts] =
      op.call(logits, deltas, anchors, image_info, is_pair ? "softmax_pair" : "sigmoid",
              options.pre_nms_top_n, options.post_nms_top_n, options.nms_iou_threshold,
              options.nms_suppress_equal, options.min_side_px, options.drop_small_before_top_n,
              coder.weights, coder.mean, coder.stddev, coder.max_log_scale, coder.inclusive,
              coder.exact_inverse);
  return {std::move(rois), std::move(scores), std::move(counts)};
}

}  // namespace rcnn::ops

#include "rcnn/ops/counted_proposals.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <tuple>
#include <utility>
#include <vector>

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
  const ProposalRequest request = ReadCountedProposalRequest(
      logits, deltas, anchors, image_info, objectness, pre_nms_top_n, post_nms_top_n,
      nms_iou_threshold, nms_suppress_equal, min_side_px, drop_small_before_top_n, weights, mean,
      stddev, max_log_scale, inclusive, exact_inverse);
  const CountedProposals results = Allocate(request);
  if (!image_info.is_meta()) {
    Spread(GenerateProposals(request.levels, ReadSizes(image_info), request.options), results);
  }
  return {results.rois, results.scores, results.counts};
}

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  DefineOperator(m, RCNN_PROPOSALS_SCHEMA("counted_proposals", "Tensor"), &ProposalsOnCpuOrMeta,
                 &ProposalsOnCpuOrMeta);
}

}  // namespace

CountedProposals GenerateCountedProposals(const std::vector<ProposalLevel>& levels,
                                          const at::Tensor& image_info,
                                          const ProposalOptions& options) {
  static const auto op = FindOperator<decltype(ProposalsOnCpuOrMeta)>("counted_proposals");
  auto [rois, scores, counts] = CallProposalOperator(op, levels, image_info, options);
  return {std::move(rois), std::move(scores), std::move(counts)};
}

}  // namespace rcnn::ops

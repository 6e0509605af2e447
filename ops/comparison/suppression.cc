#include "rcnn/ops/comparison/suppression.h"

#include <ATen/ATen.h>

#include <string>

#include "rcnn/ops/batched_nms.h"
#include "rcnn/ops/nms.h"
#include "rcnn/ops/proposals.h"
#include "rcnn/ops/testing/boxes_like.h"
#include "rcnn/ops/testing/torchvision.h"

namespace rcnn::ops {
namespace {

using testing::RpnLikeBoxes;
using testing::ScoredBoxes;
using testing::TorchvisionNms;

constexpr int64_t kHeight = 38, kWidth = 63, kKinds = 9;

// torchvision.ops.batched_nms for more than 1000 boxes: class by class.
at::Tensor TorchvisionBatchedNms(const ScoredBoxes& all, const at::Tensor& classes,
                                 int64_t num_classes, double iou_threshold) {
  const at::Tensor is_kept = at::zeros_like(all.scores, at::kBool);
  for (int64_t c = 0; c < num_classes; ++c) {
    const at::Tensor members = at::nonzero(classes == c).flatten();
    const at::Tensor kept = TorchvisionNms(all.boxes.index_select(0, members),
                                           all.scores.index_select(0, members), iou_threshold);
    is_kept.index_fill_(0, members.index_select(0, kept), true);
  }
  const at::Tensor kept = at::nonzero(is_kept).flatten();
  const at::Tensor order = std::get<1>(at::sort(all.scores.index_select(0, kept), 0, true));
  return kept.index_select(0, order);
}

// The nine anchors of the paper at every cell.
at::Tensor PaperAnchors() {
  const at::Tensor half_width =
      at::tensor({92., 184., 368., 64., 128., 256., 44., 88., 176.}, at::kFloat);
  const at::Tensor half_height =
      at::tensor({48., 96., 192., 64., 128., 256., 88., 176., 352.}, at::kFloat);
  const at::Tensor x = at::arange(kWidth, at::kFloat).mul(16).view({1, -1, 1});
  const at::Tensor y = at::arange(kHeight, at::kFloat).mul(16).view({-1, 1, 1});
  const std::vector<at::Tensor> corners =
      at::broadcast_tensors({x - half_width + 0 * y, y - half_height + 0 * x,
                             x + half_width + 0 * y, y + half_height + 0 * x});
  return at::stack(corners, 3).reshape({-1, 4}).contiguous();
}

at::Tensor TorchvisionProposals(const ProposalLevel& level, double height, double width) {
  const at::Tensor logits = level.logits[0].permute({1, 2, 0}).reshape({-1});
  const at::Tensor deltas = level.deltas[0].permute({1, 2, 0}).reshape({-1, 4});
  const auto [best, rows] = logits.topk(6000);
  const at::Tensor anchors = level.anchors.index_select(0, rows);
  const at::Tensor d = deltas.index_select(0, rows);
  const at::Tensor sides = anchors.slice(1, 2, 4) - anchors.slice(1, 0, 2);
  const at::Tensor centers = anchors.slice(1, 0, 2) + 0.5 * sides + d.slice(1, 0, 2) * sides;
  const at::Tensor half = d.slice(1, 2, 4).clamp_max(4.135166556742356).exp() * sides * 0.5;
  const at::Tensor low = centers - half, high = centers + half;
  const auto clip = [](const at::Tensor& corners, int64_t axis, double limit) {
    return corners.select(1, axis).clamp(0, limit);
  };
  at::Tensor boxes = at::stack(
      {clip(low, 0, width), clip(low, 1, height), clip(high, 0, width), clip(high, 1, height)}, 1);
  const at::Tensor large =
      at::nonzero(((boxes.slice(1, 2, 4) - boxes.slice(1, 0, 2)) >= 16).all(1)).flatten();
  boxes = boxes.index_select(0, large);
  const at::Tensor scores = best.sigmoid().index_select(0, large);
  return boxes.index_select(0, TorchvisionNms(boxes, scores, 0.7).slice(0, 0, 300));
}

}  // namespace

void CompareNms(Comparison* table) {
  const std::vector<std::pair<int64_t, double>> sizes = {{12000, 0.06}, {6000, 0.08}, {2000, 0.15}};
  for (const auto& [count, target] : sizes) {
    const ScoredBoxes all = RpnLikeBoxes(count, 1);
    table->Add({"NMS, " + std::to_string(count) + " RPN-like boxes, IoU 0.7",
                target,
                {[&all] { Nms(all.boxes, all.scores, {}); }},
                {[&all] { TorchvisionNms(all.boxes, all.scores, 0.7); }}});
  }
}

void CompareBatchedNms(Comparison* table) {
  const ScoredBoxes all = RpnLikeBoxes(6000, 2);
  const at::Tensor classes = at::arange(6000, at::kLong).remainder(20);
  table->Add({"batched NMS, 6000 boxes, 20 classes, IoU 0.5",
              0.3,
              {[&] { BatchedNms(all.boxes, all.scores, classes, {.iou_threshold = 0.5}); }},
              {[&] { TorchvisionBatchedNms(all, classes, 20, 0.5); }}});
}

void CompareProposals(Comparison* table) {
  at::Generator generator = at::detail::createCPUGenerator(1);
  const ProposalLevel level = {at::randn({1, kKinds, kHeight, kWidth}, generator).mul(2).sub(3),
                               at::randn({1, 4 * kKinds, kHeight, kWidth}, generator).mul(0.2),
                               PaperAnchors()};
  const std::vector<InputSize> sizes = {{600, 1000, 1}};
  table->Add({"proposals, 38x63x9 anchors, 6000 -> 300",
              0.15,
              {[&] { GenerateProposals({level}, sizes, {}); }},
              {[&] { TorchvisionProposals(level, 600, 1000); }}});
}

}  // namespace rcnn::ops

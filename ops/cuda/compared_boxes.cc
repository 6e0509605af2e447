#include "rcnn/ops/cuda/compared_boxes.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "rcnn/ops/anchors.h"
#include "rcnn/ops/balanced_sampler.h"
#include "rcnn/ops/batched_nms.h"
#include "rcnn/ops/box_coder.h"
#include "rcnn/ops/box_voting.h"
#include "rcnn/ops/boxes.h"
#include "rcnn/ops/fast_rcnn_loss.h"
#include "rcnn/ops/matcher.h"
#include "rcnn/ops/nms.h"
#include "rcnn/ops/preprocess.h"
#include "rcnn/ops/proposals.h"
#include "rcnn/ops/rpn_loss.h"
#include "rcnn/ops/soft_nms.h"
#include "rcnn/ops/testing/boxes_like.h"

namespace rcnn::ops {
namespace {

using c10::Device;
using Results = std::vector<at::Tensor>;

// A matrix of overlaps would not fit.
constexpr int64_t kMostOverlapRows = 20'000;

DeviceCall DrawIou(ArgumentDraw& draw) {
  const at::ScalarType dtype = draw.BoxType();
  const at::Tensor boxes = draw.Boxes(std::min(draw.Rows(), kMostOverlapRows), dtype);
  const at::Tensor others = draw.Boxes(draw.FewRows(), dtype);
  const BoxConvention convention = {draw.Coin()};
  return [=](const Device& device) -> Results {
    return {BoxIou(boxes.to(device), others.to(device), convention),
            BoxIntersectionOverArea(boxes.to(device), others.to(device), convention)};
  };
}

DeviceCall DrawClipping(ArgumentDraw& draw) {
  const at::ScalarType dtype = draw.BoxType();
  const at::Tensor boxes = draw.Boxes(draw.Rows(), dtype);
  const ImageSize image = {draw.Between(1, 500), draw.Between(1, 500)};
  return [=](const Device& device) -> Results {
    const at::Tensor clipped = ClipBoxes(boxes.to(device), image);
    return {clipped, BoxArea(clipped), LargeBoxes(clipped, 16)};
  };
}

BoxCoderOptions DrawCoder(ArgumentDraw& draw) {
  BoxCoderOptions options;
  if (draw.Coin()) options.weights = {10, 10, 5, 5};
  if (draw.Coin()) options.stddev = {0.1, 0.1, 0.2, 0.2};
  options.inclusive = draw.Coin();
  return options;
}

DeviceCall DrawEncoding(ArgumentDraw& draw) {
  const at::ScalarType dtype = draw.BoxType();
  const int64_t rows = draw.Rows();
  const at::Tensor boxes = draw.Boxes(rows, dtype), gt_boxes = draw.Boxes(rows, dtype);
  const at::Tensor gradient = draw.Normal({rows, 4}, dtype);
  const BoxCoderOptions options = DrawCoder(draw);
  return [=](const Device& device) -> Results {
    const at::Tensor a = MakeLeaf(boxes, device), b = MakeLeaf(gt_boxes, device);
    const at::Tensor deltas = EncodeBoxes(a, b, options);
    deltas.backward(gradient.to(device));
    return {deltas, TakeGradient(a), TakeGradient(b)};
  };
}

DeviceCall DrawDecoding(ArgumentDraw& draw) {
  const at::ScalarType dtype = draw.BoxType();
  const int64_t rows = draw.Rows(), columns = 4 * draw.Between(1, 3);
  const at::Tensor boxes = draw.Boxes(rows, dtype);
  const at::Tensor deltas = draw.Normal({rows, columns}, dtype) * 0.5;
  const at::Tensor gradient = draw.Normal({rows, columns}, dtype);
  const BoxCoderOptions options = DrawCoder(draw);
  return [=](const Device& device) -> Results {
    const at::Tensor a = MakeLeaf(boxes, device), b = MakeLeaf(deltas, device);
    const at::Tensor decoded = DecodeBoxes(a, b, options);
    decoded.backward(gradient.to(device));
    return {decoded, TakeGradient(a), TakeGradient(b)};
  };
}

DeviceCall DrawMatching(ArgumentDraw& draw) {
  const at::ScalarType dtype = draw.BoxType();
  const at::Tensor boxes = draw.Boxes(draw.Rows(), dtype);
  const at::Tensor gt_boxes = draw.Boxes(draw.FewRows(), dtype);
  const at::Tensor crowd = draw.Mask(gt_boxes.size(0), 0.2);
  const at::Tensor eligible = draw.Mask(boxes.size(0), 0.8);
  MatcherOptions options;
  options.match_best_of_each_gt = draw.Coin();
  options.crowd_hides_foreground = draw.Coin();
  options.inclusive = draw.Coin();
  return [=](const Device& device) -> Results {
    const Matches matches = MatchBoxes(boxes.to(device), gt_boxes.to(device), options,
                                       crowd.to(device), eligible.to(device));
    return {matches.labels, matches.gt_index, matches.iou};
  };
}

DeviceCall DrawSampling(ArgumentDraw& draw) {
  const at::Tensor labels = at::randint(-1, 2, {draw.Rows()}, draw.generator(), at::kLong);
  const uint64_t seed = draw.Seed();
  return [=](const Device& device) -> Results {
    const BalancedSample sample =
        SampleBalanced(labels.to(device), {}, at::detail::createCPUGenerator(seed));
    return {sample.positive, sample.negative};
  };
}

// Boxes of an RPN, boxes with many ties, or, where there are many, small ones on a large plane.
testing::ScoredBoxes DrawScoredBoxes(ArgumentDraw& draw, int64_t rows) {
  if (rows > 10'000) {
    const double plane_px = 8 * std::sqrt(static_cast<double>(rows));
    return testing::UniformBoxes(rows, plane_px, rows, draw.Seed());
  }
  return draw.Coin() ? testing::RpnLikeBoxes(rows, draw.Seed())
                     : testing::TiedBoxes(rows, draw.Seed());
}

NmsOptions DrawNmsOptions(ArgumentDraw& draw) {
  NmsOptions options;
  options.iou_threshold = draw.Coin() ? 0.7 : 0.5;
  if (draw.Coin()) options.max_keep = draw.Between(1, 1000);
  options.suppress_equal = draw.Coin();
  options.inclusive = draw.Coin();
  return options;
}

DeviceCall DrawNms(ArgumentDraw& draw) {
  const testing::ScoredBoxes drawn = DrawScoredBoxes(draw, draw.Rows());
  const at::ScalarType dtype = draw.BoxType();
  const NmsOptions options = DrawNmsOptions(draw);
  return [=](const Device& device) -> Results {
    return {Nms(drawn.boxes.to(dtype).to(device), drawn.scores.to(dtype).to(device), options)};
  };
}

DeviceCall DrawBatchedNms(ArgumentDraw& draw) {
  const testing::ScoredBoxes drawn = DrawScoredBoxes(draw, draw.Rows());
  const at::Tensor classes =
      at::randint(0, draw.Between(1, 80), {drawn.scores.size(0)}, draw.generator(), at::kLong);
  const NmsOptions options = DrawNmsOptions(draw);
  return [=](const Device& device) -> Results {
    return {
        BatchedNms(drawn.boxes.to(device), drawn.scores.to(device), classes.to(device), options)};
  };
}

DeviceCall DrawSoftNmsAndVotes(ArgumentDraw& draw) {
  const testing::ScoredBoxes drawn = testing::RpnLikeBoxes(draw.FewRows(), draw.Seed());
  const at::Tensor classes = at::randint(0, 3, {drawn.scores.size(0)}, draw.generator(), at::kLong);
  return [=](const Device& device) -> Results {
    const at::Tensor boxes = drawn.boxes.to(device), scores = drawn.scores.to(device);
    const SoftNmsResult soft = SoftNms(boxes, scores, {});
    return {soft.kept, soft.scores, VoteBoxes(boxes, scores, classes.to(device), soft.kept, {})};
  };
}

ProposalLevel DrawProposalLevel(ArgumentDraw& draw, int64_t images, const GridSize& grid,
                                double stride_px, bool is_pair) {
  AnchorLevelOptions options;
  options.base_size_px = 2 * stride_px;
  options.scales = {1, 2, 4};
  const at::Tensor base = BaseAnchors(options);
  const int64_t anchors = base.size(0);
  return {draw.Normal({images, is_pair ? 2 * anchors : anchors, grid.height, grid.width}),
          draw.Normal({images, 4 * anchors, grid.height, grid.width}) * 0.3,
          PlaceAnchors(base, grid, stride_px, stride_px)};
}

ProposalOptions DrawProposalOptions(ArgumentDraw& draw) {
  ProposalOptions options;
  options.objectness = draw.Coin() ? ObjectnessKind::kSigmoid : ObjectnessKind::kSoftmaxPair;
  options.pre_nms_top_n = draw.Between(1, 2000);
  options.post_nms_top_n = draw.Between(1, 300);
  options.min_side_px = static_cast<double>(draw.Between(0, 16));
  options.drop_small_before_top_n = draw.Coin();
  options.coder.inclusive = draw.Coin();
  return options;
}

// Without log sides all decisions are those of additions, multiplications and divisions.
DeviceCall DrawProposals(ArgumentDraw& draw, bool with_log_sides) {
  const int64_t images = draw.Between(1, 4), num_levels = draw.Between(1, 5);
  const int64_t height = draw.Between(1, 64), width = draw.Between(1, 64);
  const ProposalOptions options = DrawProposalOptions(draw);
  std::vector<ProposalLevel> levels;
  for (int64_t i = 0; i < num_levels; ++i) {
    const GridSize grid = {std::max<int64_t>(height >> i, 1), std::max<int64_t>(width >> i, 1)};
    levels.push_back(DrawProposalLevel(draw, images, grid, static_cast<double>(4 << i),
                                       options.objectness == ObjectnessKind::kSoftmaxPair));
    if (with_log_sides) continue;
    levels.back().deltas.view({images, -1, 4, grid.height, grid.width}).slice(2, 2, 4).zero_();
  }
  std::vector<InputSize> sizes;
  for (int64_t b = 0; b < images; ++b) {
    sizes.push_back({static_cast<float>(4 * height), static_cast<float>(4 * width), 1});
  }
  return [=](const Device& device) -> Results {
    std::vector<ProposalLevel> moved;
    for (const ProposalLevel& level : levels) {
      moved.push_back({level.logits.to(device), level.deltas.to(device), level.anchors.to(device)});
    }
    const Proposals found = GenerateProposals(moved, sizes, options);
    return {found.rois, found.scores, found.counts};
  };
}

// The share of the rows of one that have no row of the other within 0.01 pixels.
double MissingShare(const at::Tensor& rows, const at::Tensor& others) {
  if (rows.size(0) == 0) return 0;
  if (others.size(0) == 0) return 1;
  const at::Tensor gaps = (rows.unsqueeze(1) - others.unsqueeze(0)).abs().amax(2).amin(1);
  return gaps.le(0.01).logical_not().to(at::kDouble).mean().item<double>();
}

double ProposalDifference(const Results& cpu, const Results& device) {
  return std::max(MissingShare(cpu[0], device[0]), MissingShare(device[0], cpu[0]));
}

DeviceCall DrawRpnLoss(ArgumentDraw& draw) {
  const int64_t rows = draw.Rows();
  const at::Tensor order = at::randperm(rows, draw.generator(), at::kLong);
  const int64_t positives = std::min<int64_t>(rows / 4, 64);
  const at::Tensor positive = order.slice(0, 0, positives);
  const at::Tensor negative = order.slice(0, positives, std::min<int64_t>(rows, 256));
  const at::Tensor logits = draw.Normal({rows}), deltas = draw.Normal({rows, 4});
  const at::Tensor targets = draw.Normal({positives, 4});
  return [=](const Device& device) -> Results {
    const at::Tensor a = MakeLeaf(logits, device), b = MakeLeaf(deltas, device);
    const RpnLosses losses =
        RpnLoss(a, b, positive.to(device), negative.to(device), targets.to(device), {});
    (losses.objectness + losses.box).backward();
    return {losses.objectness, losses.box, TakeGradient(a), TakeGradient(b)};
  };
}

DeviceCall DrawFastRcnnLoss(ArgumentDraw& draw) {
  const int64_t rois = draw.FewRows(), classes = draw.Between(1, 20);
  const at::Tensor logits = draw.Normal({rois, classes + 1});
  const at::Tensor deltas = draw.Normal({rois, 4 * (classes + 1)});
  const at::Tensor labels = at::randint(0, classes + 1, {rois}, draw.generator(), at::kLong);
  const at::Tensor targets = draw.Normal({rois, 4});
  return [=](const Device& device) -> Results {
    const at::Tensor a = MakeLeaf(logits, device), b = MakeLeaf(deltas, device);
    const FastRcnnLosses losses = FastRcnnLoss(a, b, labels.to(device), targets.to(device), {});
    (losses.classification + losses.box).backward();
    return {losses.classification, losses.box, TakeGradient(a), TakeGradient(b)};
  };
}

DeviceCall DrawPreprocessing(ArgumentDraw& draw) {
  const at::Tensor image = at::randint(0, 256, {draw.Between(1, 300), draw.Between(1, 300), 3},
                                       draw.generator(), at::kByte);
  PreprocessOptions options;
  options.height = draw.Between(1, 500);
  options.width = draw.Between(1, 500);
  options.channel_order = draw.Coin() ? ChannelOrder::kRgb : ChannelOrder::kBgr;
  options.mean = {123.7, 116.3, 103.5};
  options.std = {58.4, 57.1, 57.4};
  options.flip_horizontally = draw.Coin();
  return [=](const Device& device) -> Results { return {Preprocess(image.to(device), options)}; };
}

}  // namespace

std::vector<ComparedOperator> ComparedBoxOperators() {
  return {
      {"box_iou", {"box_iou", "box_intersection_over_area"}, 1e-6, DrawIou},
      {"clip_boxes", {"clip_boxes", "box_area", "large_boxes"}, 1e-6, DrawClipping},
      {"encode_boxes", {"encode_boxes", "_encode_boxes_backward"}, 1e-5, DrawEncoding},
      {"decode_boxes", {"decode_boxes", "_decode_boxes_backward"}, 1e-5, DrawDecoding},
      {"match_boxes", {"match_boxes"}, 1e-6, DrawMatching},
      {"sample_balanced", {"sample_balanced"}, 0, DrawSampling},
      {"nms", {"nms"}, 0, DrawNms},
      {"batched_nms", {"batched_nms"}, 0, DrawBatchedNms},
      {"soft_nms, vote_boxes", {"soft_nms", "vote_boxes"}, 1e-6, DrawSoftNmsAndVotes},
      {"proposals",
       {"proposals.sizes"},
       1e-6,
       [](ArgumentDraw& draw) { return DrawProposals(draw, false); }},
      {"proposals with log sides",
       {"proposals.sizes"},
       0.02,
       [](ArgumentDraw& draw) { return DrawProposals(draw, true); },
       ProposalDifference},
      {"rpn_loss", {"rpn_loss"}, 1e-5, DrawRpnLoss},
      {"fast_rcnn_loss", {"fast_rcnn_loss"}, 1e-5, DrawFastRcnnLoss},
      {"preprocess", {"preprocess"}, 1e-5, DrawPreprocessing},
  };
}

}  // namespace rcnn::ops

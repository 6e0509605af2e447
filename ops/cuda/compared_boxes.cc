#include "rcnn/ops/cuda/compared_boxes.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "rcnn/ops/anchors.h"
#include "rcnn/ops/batched_nms.h"
#include "rcnn/ops/box_coder.h"
#include "rcnn/ops/box_voting.h"
#include "rcnn/ops/boxes.h"
#include "rcnn/ops/counted_detections.h"
#include "rcnn/ops/counted_nms.h"
#include "rcnn/ops/counted_proposals.h"
#include "rcnn/ops/nms.h"
#include "rcnn/ops/preprocess.h"
#include "rcnn/ops/preprocess_batch.h"
#include "rcnn/ops/proposals.h"
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

using SuppressBoxes = Results (*)(const at::Tensor& boxes, const at::Tensor& scores,
                                  const NmsOptions& options);

DeviceCall DrawNms(ArgumentDraw& draw, SuppressBoxes suppress) {
  const testing::ScoredBoxes drawn = DrawScoredBoxes(draw, draw.Rows());
  const at::ScalarType dtype = draw.BoxType();
  const NmsOptions options = DrawNmsOptions(draw);
  return [=](const Device& device) -> Results {
    return suppress(drawn.boxes.to(dtype).to(device), drawn.scores.to(dtype).to(device), options);
  };
}

Results CallNms(const at::Tensor& boxes, const at::Tensor& scores, const NmsOptions& options) {
  return {Nms(boxes, scores, options)};
}

Results CallCountedNms(const at::Tensor& boxes, const at::Tensor& scores,
                       const NmsOptions& options) {
  const CountedIndices found = CountedNms(boxes, scores, options);
  return {found.kept, found.count};
}

using SuppressClasses = Results (*)(const at::Tensor& boxes, const at::Tensor& scores,
                                    const at::Tensor& classes, const NmsOptions& options);

DeviceCall DrawBatchedNms(ArgumentDraw& draw, SuppressClasses suppress) {
  const testing::ScoredBoxes drawn = DrawScoredBoxes(draw, draw.Rows());
  const at::Tensor classes =
      at::randint(0, draw.Between(1, 80), {drawn.scores.size(0)}, draw.generator(), at::kLong);
  const NmsOptions options = DrawNmsOptions(draw);
  return [=](const Device& device) -> Results {
    return suppress(drawn.boxes.to(device), drawn.scores.to(device), classes.to(device), options);
  };
}

Results CallBatchedNms(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& classes,
                       const NmsOptions& options) {
  return {BatchedNms(boxes, scores, classes, options)};
}

Results CallCountedBatchedNms(const at::Tensor& boxes, const at::Tensor& scores,
                              const at::Tensor& classes, const NmsOptions& options) {
  const CountedIndices found = CountedBatchedNms(boxes, scores, classes, options);
  return {found.kept, found.count};
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

struct DrawnProposals {
  std::vector<ProposalLevel> levels;
  std::vector<InputSize> sizes;
  ProposalOptions options;
};

// Without log sides all decisions are those of additions, multiplications and divisions.
DrawnProposals DrawProposalArguments(ArgumentDraw& draw, bool with_log_sides) {
  const int64_t images = draw.Between(1, 4), num_levels = draw.Between(1, 5);
  const int64_t height = draw.Between(1, 64), width = draw.Between(1, 64);
  DrawnProposals drawn;
  drawn.options = DrawProposalOptions(draw);
  for (int64_t i = 0; i < num_levels; ++i) {
    const GridSize grid = {std::max<int64_t>(height >> i, 1), std::max<int64_t>(width >> i, 1)};
    drawn.levels.push_back(
        DrawProposalLevel(draw, images, grid, static_cast<double>(4 << i),
                          drawn.options.objectness == ObjectnessKind::kSoftmaxPair));
    if (with_log_sides) continue;
    const at::Tensor& deltas = drawn.levels.back().deltas;
    deltas.view({images, -1, 4, grid.height, grid.width}).slice(2, 2, 4).zero_();
  }
  for (int64_t b = 0; b < images; ++b) {
    drawn.sizes.push_back({static_cast<float>(4 * height), static_cast<float>(4 * width), 1});
  }
  return drawn;
}

std::vector<ProposalLevel> MoveLevels(const std::vector<ProposalLevel>& levels,
                                      const Device& device) {
  std::vector<ProposalLevel> moved;
  for (const ProposalLevel& level : levels) {
    moved.push_back({level.logits.to(device), level.deltas.to(device), level.anchors.to(device)});
  }
  return moved;
}

DeviceCall DrawProposals(ArgumentDraw& draw, bool with_log_sides) {
  const DrawnProposals drawn = DrawProposalArguments(draw, with_log_sides);
  return [=](const Device& device) -> Results {
    const Proposals found =
        GenerateProposals(MoveLevels(drawn.levels, device), drawn.sizes, drawn.options);
    return {found.rois, found.scores, found.counts};
  };
}

// [B, 3], as counted_proposals.h wants it.
at::Tensor ImageInfo(const std::vector<InputSize>& sizes) {
  std::vector<at::Tensor> rows;
  for (const InputSize& size : sizes) {
    rows.push_back(at::tensor({size.height, size.width, size.scale}));
  }
  return at::stack(rows);
}

DeviceCall DrawCountedProposals(ArgumentDraw& draw, bool with_log_sides) {
  const DrawnProposals drawn = DrawProposalArguments(draw, with_log_sides);
  const at::Tensor image_info = ImageInfo(drawn.sizes);
  return [=](const Device& device) -> Results {
    const CountedProposals found = GenerateCountedProposals(MoveLevels(drawn.levels, device),
                                                            image_info.to(device), drawn.options);
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

// The RoIs that count, of all images one after another.
Results CountedRois(const Results& found) {
  const at::Tensor& rois = found[0];
  const at::Tensor places = at::arange(rois.size(1), at::kLong).unsqueeze(0);
  return {rois.index({places.lt(found[2].unsqueeze(1))})};
}

double CountedProposalDifference(const Results& cpu, const Results& device) {
  return ProposalDifference(CountedRois(cpu), CountedRois(device));
}

DeviceCall DrawAnchors(ArgumentDraw& draw) {
  const at::Tensor base = draw.Boxes(draw.Between(1, 15), at::kFloat);
  const GridSize grid = {draw.Between(0, 200), draw.Between(0, 200)};
  const double stride_px = draw.Coin() ? 16 : 100.1;
  return [=](const Device& device) -> Results {
    return {PlaceAnchors(base.to(device), grid, stride_px, stride_px / 2)};
  };
}

CountedDetectionOptions DrawDetectionOptions(ArgumentDraw& draw) {
  CountedDetectionOptions options;
  options.min_score = draw.Coin() ? 0.05 : 0.2;
  options.max_per_image = draw.Between(1, 100);
  options.max_per_class = draw.Coin() ? 0 : draw.Between(1, 50);
  options.min_side_px = static_cast<double>(draw.Between(0, 16));
  options.coder.inclusive = draw.Coin();
  return options;
}

// Without log sides all decisions are those of additions, multiplications and divisions.
DeviceCall DrawDetections(ArgumentDraw& draw, bool with_log_sides) {
  const int64_t rows = draw.FewRows(), images = draw.Between(1, 4), columns = draw.Between(2, 20);
  const at::Tensor scores = at::softmax(draw.Normal({rows, columns}) * 2, 1);
  const at::Tensor deltas = draw.Normal({rows, columns, 4}) * 0.3;
  if (!with_log_sides) deltas.slice(2, 2, 4).zero_();
  const at::Tensor image = at::randint(0, images, {rows, 1}, draw.generator(), at::kFloat);
  const at::Tensor rois = at::cat({image, draw.Boxes(rows, at::kFloat)}, 1);
  const at::Tensor frames = at::tensor({400.f, 300.f, 1.5f, 2.f, 0.5f}).repeat({images, 1});
  const CountedDetectionOptions options = DrawDetectionOptions(draw);
  return [=](const Device& device) -> Results {
    const CountedDetections found =
        FindCountedDetections(scores.to(device), deltas.flatten(1).to(device), rois.to(device),
                              frames.to(device), options);
    return {found.boxes, found.scores, found.counts, found.labels};
  };
}

at::Tensor DrawBytes(ArgumentDraw& draw) {
  const std::vector<int64_t> sizes = {draw.Between(1, 300), draw.Between(1, 300), 3};
  return at::randint(0, 256, sizes, draw.generator(), at::kByte);
}

PreprocessOptions DrawPreprocessOptions(ArgumentDraw& draw) {
  PreprocessOptions options;
  options.height = draw.Between(1, 500);
  options.width = draw.Between(1, 500);
  options.channel_order = draw.Coin() ? ChannelOrder::kRgb : ChannelOrder::kBgr;
  options.mean = {123.7, 116.3, 103.5};
  options.std = {58.4, 57.1, 57.4};
  options.flip_horizontally = draw.Coin();
  return options;
}

DeviceCall DrawPreprocessing(ArgumentDraw& draw) {
  const at::Tensor image = DrawBytes(draw);
  const PreprocessOptions options = DrawPreprocessOptions(draw);
  return [=](const Device& device) -> Results { return {Preprocess(image.to(device), options)}; };
}

DeviceCall DrawBatchPreprocessing(ArgumentDraw& draw) {
  std::vector<at::Tensor> images;
  std::vector<PreprocessOptions> options;
  for (int64_t count = draw.Between(1, 4); count > 0; --count) {
    images.push_back(DrawBytes(draw));
    options.push_back(DrawPreprocessOptions(draw));
    options.back().channel_order = options.front().channel_order;
  }
  const int64_t height = draw.Between(500, 520), width = draw.Between(500, 520);
  return [=](const Device& device) -> Results {
    std::vector<at::Tensor> moved;
    for (const at::Tensor& image : images) moved.push_back(image.to(device));
    return {PreprocessBatch(moved, options, height, width)};
  };
}

}  // namespace

std::vector<ComparedOperator> ComparedBoxOperators() {
  return {
      {"box_iou", {"box_iou", "box_intersection_over_area"}, 1e-6, DrawIou},
      {"clip_boxes", {"clip_boxes", "_clip_boxes", "box_area", "large_boxes"}, 1e-6, DrawClipping},
      {"place_anchors", {"place_anchors"}, 0, DrawAnchors},
      {"encode_boxes", {"encode_boxes", "_encode_boxes_backward"}, 1e-5, DrawEncoding},
      {"decode_boxes", {"decode_boxes", "_decode_boxes_backward"}, 1e-5, DrawDecoding},
      {"nms", {"nms"}, 0, [](ArgumentDraw& draw) { return DrawNms(draw, &CallNms); }},
      {"counted_nms",
       {"counted_nms"},
       0,
       [](ArgumentDraw& draw) { return DrawNms(draw, &CallCountedNms); }},
      {"batched_nms",
       {"batched_nms"},
       0,
       [](ArgumentDraw& draw) { return DrawBatchedNms(draw, &CallBatchedNms); }},
      {"counted_batched_nms",
       {"counted_batched_nms"},
       0,
       [](ArgumentDraw& draw) { return DrawBatchedNms(draw, &CallCountedBatchedNms); }},
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
      {"counted_proposals",
       {"counted_proposals"},
       1e-6,
       [](ArgumentDraw& draw) { return DrawCountedProposals(draw, false); }},
      {"counted_proposals with log sides",
       {"counted_proposals"},
       0.02,
       [](ArgumentDraw& draw) { return DrawCountedProposals(draw, true); },
       CountedProposalDifference},
      {"counted_detections",
       {"counted_detections"},
       1e-6,
       [](ArgumentDraw& draw) { return DrawDetections(draw, false); }},
      {"counted_detections with log sides",
       {"counted_detections"},
       0.02,
       [](ArgumentDraw& draw) { return DrawDetections(draw, true); },
       CountedProposalDifference},
      {"preprocess", {"preprocess"}, 1e-5, DrawPreprocessing},
      {"preprocess_batch", {"preprocess_batch"}, 1e-5, DrawBatchPreprocessing},
  };
}

}  // namespace rcnn::ops

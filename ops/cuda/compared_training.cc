#include "rcnn/ops/cuda/compared_training.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/util/Optional.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "rcnn/ops/balanced_sampler.h"
#include "rcnn/ops/batch_matcher.h"
#include "rcnn/ops/counter_sampler.h"
#include "rcnn/ops/fast_rcnn_loss.h"
#include "rcnn/ops/finish_map.h"
#include "rcnn/ops/kernels/weight_update.h"
#include "rcnn/ops/matcher.h"
#include "rcnn/ops/random_mask.h"
#include "rcnn/ops/rpn_loss.h"
#include "rcnn/ops/sampled_losses.h"
#include "rcnn/ops/weight_update.h"

namespace rcnn::ops {
namespace {

using c10::Device;
using Results = std::vector<at::Tensor>;

MatcherOptions DrawMatcherOptions(ArgumentDraw& draw) {
  MatcherOptions options;
  options.match_best_of_each_gt = draw.Coin();
  options.crowd_hides_foreground = draw.Coin();
  options.inclusive = draw.Coin();
  return options;
}

DeviceCall DrawMatching(ArgumentDraw& draw) {
  const at::ScalarType dtype = draw.BoxType();
  const at::Tensor boxes = draw.Boxes(draw.Rows(), dtype);
  const at::Tensor gt_boxes = draw.Boxes(draw.FewRows(), dtype);
  const at::Tensor crowd = draw.Mask(gt_boxes.size(0), 0.2);
  const at::Tensor eligible = draw.Mask(boxes.size(0), 0.8);
  const MatcherOptions options = DrawMatcherOptions(draw);
  return [=](const Device& device) -> Results {
    const Matches matches = MatchBoxes(boxes.to(device), gt_boxes.to(device), options,
                                       crowd.to(device), eligible.to(device));
    return {matches.labels, matches.gt_index, matches.iou};
  };
}

// Rows of each of `images`, so that all have about draw.Rows().
int64_t RowsPerImage(ArgumentDraw& draw, int64_t images) {
  return (draw.Rows() + images - 1) / images;
}

// The boxes of all images, or of each.
at::Tensor DrawBatchBoxes(ArgumentDraw& draw, int64_t images, int64_t rows, at::ScalarType dtype) {
  if (draw.Coin()) return draw.Boxes(rows, dtype);
  return draw.Boxes(images * rows, dtype).view({images, rows, 4});
}

// 0 to `most` objects of each image; the first may have none.
at::Tensor DrawObjectCounts(ArgumentDraw& draw, int64_t images, int64_t most) {
  const at::Tensor counts = at::randint(0, most + 1, {images}, draw.generator(), at::kLong);
  if (draw.Coin()) counts[0].zero_();
  return counts;
}

DeviceCall DrawBatchMatching(ArgumentDraw& draw) {
  const at::ScalarType dtype = draw.BoxType();
  const int64_t images = draw.Between(1, 4), rows = RowsPerImage(draw, images);
  const int64_t objects = draw.FewRows();
  const at::Tensor boxes = DrawBatchBoxes(draw, images, rows, dtype);
  const at::Tensor gt_boxes = draw.Boxes(images * objects, dtype).view({images, objects, 4});
  const at::Tensor counts = DrawObjectCounts(draw, images, objects);
  const at::Tensor crowd = draw.Mask(images * objects, 0.2).view({images, objects});
  const at::Tensor eligible = draw.Mask(images * rows, 0.8).view({images, rows});
  const MatcherOptions options = DrawMatcherOptions(draw);
  return [=](const Device& device) -> Results {
    const Matches matches = MatchBatch(boxes.to(device), gt_boxes.to(device), counts.to(device),
                                       options, crowd.to(device), eligible.to(device));
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

BalancedSamplerOptions DrawSamplerOptions(ArgumentDraw& draw) {
  return {draw.Between(0, 300), draw.Coin() ? 0.5 : 0.25};
}

// -1, 0 and 1 for the boxes of each image; the first may have no positives, as without objects.
at::Tensor DrawBatchLabels(ArgumentDraw& draw, int64_t images) {
  const int64_t rows = RowsPerImage(draw, images);
  const at::Tensor labels = at::randint(-1, 2, {images, rows}, draw.generator(), at::kLong);
  if (draw.Coin()) labels[0].clamp_max_(0);
  return labels;
}

DeviceCall DrawCounterSampling(ArgumentDraw& draw) {
  const int64_t images = draw.Between(1, 4);
  const at::Tensor labels = DrawBatchLabels(draw, images);
  const at::Tensor ids = at::randint(0, 100'000, {images}, draw.generator(), at::kLong);
  const uint64_t key = draw.Seed();
  const BalancedSamplerOptions options = DrawSamplerOptions(draw);
  const int64_t appended_from = draw.Between(0, labels.size(1));
  return [=](const Device& device) -> Results {
    const CountedSample sample =
        SampleByCounters(labels.to(device), ids.to(device), key, options, appended_from);
    return {sample.positive, sample.positive_count, sample.negative, sample.negative_count};
  };
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

CountedSample MoveSample(const CountedSample& sample, const Device& device) {
  return {sample.positive.to(device), sample.positive_count.to(device), sample.negative.to(device),
          sample.negative_count.to(device)};
}

// Half of them divide by the number of samples.
c10::optional<double> DrawNormalizer(ArgumentDraw& draw) {
  if (draw.Coin()) return c10::nullopt;
  return static_cast<double>(draw.Between(1, 300));
}

DeviceCall DrawSampledRpnLoss(ArgumentDraw& draw) {
  const at::ScalarType dtype = draw.BoxType();
  const int64_t images = draw.Between(1, 4);
  const at::Tensor labels = DrawBatchLabels(draw, images);
  const int64_t rows = labels.size(1);
  const BalancedSamplerOptions sampler = DrawSamplerOptions(draw);
  const CountedSample sample =
      SampleByCounters(labels, at::arange(images, at::kLong), draw.Seed(), sampler);
  const at::Tensor logits = draw.Normal({images, rows}, dtype);
  const at::Tensor deltas = draw.Normal({images, rows, 4}, dtype);
  const at::Tensor targets = draw.Normal({images, MaxPositives(sampler), 4}, dtype);
  RpnLossOptions options;
  options.objectness_normalizer = DrawNormalizer(draw);
  options.box_normalizer = DrawNormalizer(draw);
  return [=](const Device& device) -> Results {
    const at::Tensor a = MakeLeaf(logits, device), b = MakeLeaf(deltas, device);
    const RpnLosses losses =
        SampledRpnLoss(a, b, MoveSample(sample, device), targets.to(device), options);
    (losses.objectness + losses.box).backward();
    return {losses.objectness, losses.box, TakeGradient(a), TakeGradient(b)};
  };
}

// Deltas of all columns, of all without the background, or one group for all classes.
int64_t DrawDeltaGroups(ArgumentDraw& draw, int64_t classes) {
  if (draw.Coin()) return 1;
  return draw.Coin() ? classes : classes + 1;
}

DeviceCall DrawSampledFastRcnnLoss(ArgumentDraw& draw) {
  const at::ScalarType dtype = draw.BoxType();
  const int64_t rois = draw.FewRows(), classes = draw.Between(1, 90);
  const at::Tensor logits = draw.Normal({rois, classes + 1}, dtype);
  const at::Tensor deltas = draw.Normal({rois, 4 * DrawDeltaGroups(draw, classes)}, dtype);
  const at::Tensor labels = at::randint(-1, classes + 1, {rois}, draw.generator(), at::kLong);
  // As without objects.
  if (draw.Between(0, 3) == 0) labels.clamp_max_(0);
  const at::Tensor targets = draw.Normal({rois, 4}, dtype);
  FastRcnnLossOptions options;
  options.normalizer = DrawNormalizer(draw);
  return [=](const Device& device) -> Results {
    const at::Tensor a = MakeLeaf(logits, device), b = MakeLeaf(deltas, device);
    const FastRcnnLosses losses =
        SampledFastRcnnLoss(a, b, labels.to(device), targets.to(device), options);
    (losses.classification + losses.box).backward();
    return {losses.classification, losses.box, TakeGradient(a), TakeGradient(b)};
  };
}

DeviceCall DrawRandomMask(ArgumentDraw& draw) {
  const int64_t rows = draw.Rows(), columns = draw.Between(1, 7);
  const at::Tensor like = draw.Normal({rows, columns});
  const uint64_t key = draw.Seed();
  const double probability = static_cast<double>(draw.Between(0, 4)) / 4;
  const at::Tensor draw_rows = at::randint(0, 1000, {rows, 2}, draw.generator(), at::kLong);
  return [=](const Device& device) -> Results {
    return {RandomMask(like.to(device), key, probability),
            RandomMask(like.to(device), key, probability, draw_rows.to(device))};
  };
}

// A weight with its gradient and moments, all in `format`.
UpdatedTensors DrawUpdated(ArgumentDraw& draw, at::IntArrayRef sizes, at::MemoryFormat format,
                           bool is_adamw) {
  const auto values = [&] { return draw.Normal(sizes).contiguous(format); };
  UpdatedTensors row;
  row.weight = values();
  row.gradient = values();
  row.first = values();
  row.rate = 0.001 * static_cast<double>(draw.Between(1, 20));
  row.decay = draw.Coin() ? 0.0005 : 0;
  if (!is_adamw) return row;
  row.second = values().square();
  row.updates = at::full({}, draw.Between(0, 5), at::kLong);
  return row;
}

// One weight of as many elements as draw.Rows(); but for none, also weights of convolutions, which
// have up to four chunks (kernels/weight_update.h).
std::vector<UpdatedTensors> DrawUpdatedRows(ArgumentDraw& draw, bool is_adamw) {
  const int64_t rows = draw.Rows();
  std::vector<UpdatedTensors> weights = {
      DrawUpdated(draw, {rows}, at::MemoryFormat::Contiguous, is_adamw)};
  const int64_t convolutions = rows == 0 ? 0 : draw.Between(0, 3);
  for (int64_t i = 0; i < convolutions; ++i) {
    const at::MemoryFormat format =
        draw.Coin() ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
    const int64_t outputs = draw.Between(1, 120), inputs = draw.Between(1, 120);
    weights.push_back(DrawUpdated(draw, {outputs, inputs, 3, 3}, format, is_adamw));
  }
  return weights;
}

WeightUpdateOptions DrawUpdateOptions(ArgumentDraw& draw, bool is_adamw) {
  WeightUpdateOptions options;
  options.rule.is_adamw = is_adamw;
  options.rule.momentum = 0.9;
  options.rule.rate_inside = draw.Coin();
  options.rule.beta1 = 0.9;
  options.rule.beta2 = 0.999;
  options.rule.epsilon = 1e-8;
  options.batches = draw.Between(1, 3);
  if (draw.Coin()) options.max_norm = 10;
  if (draw.Coin()) options.loss_scale = at::full({}, 1024, at::kFloat);
  if (draw.Coin()) options.allowed = at::full({}, draw.Between(0, 3) > 0, at::kBool);
  return options;
}

at::Tensor CopyIfDefined(const at::Tensor& tensor, const Device& device) {
  return tensor.defined() ? tensor.clone().to(device) : tensor;
}

// Copies, since an update changes them in place.
std::vector<UpdatedTensors> CopyRows(const std::vector<UpdatedTensors>& rows,
                                     const Device& device) {
  std::vector<UpdatedTensors> copies = rows;
  for (UpdatedTensors& row : copies) {
    for (at::Tensor* tensor : {&row.weight, &row.gradient, &row.first, &row.second, &row.updates}) {
      *tensor = CopyIfDefined(*tensor, device);
    }
  }
  return copies;
}

Results Updated(const std::vector<UpdatedTensors>& rows, const WeightUpdateOptions& options) {
  const WeightUpdateResult result = UpdateWeights(rows, options);
  Results results = {result.norm, result.finite};
  for (const UpdatedTensors& row : rows) {
    results.push_back(row.weight);
    results.push_back(row.first);
    if (!options.rule.is_adamw) continue;
    results.push_back(row.second);
    results.push_back(row.updates);
  }
  return results;
}

DeviceCall DrawUpdate(ArgumentDraw& draw, bool is_adamw) {
  const std::vector<UpdatedTensors> rows = DrawUpdatedRows(draw, is_adamw);
  const WeightUpdateOptions options = DrawUpdateOptions(draw, is_adamw);
  // A gradient that is not finite changes nothing.
  if (draw.Between(0, 7) == 0) rows[0].gradient.fill_(std::numeric_limits<float>::infinity());
  return [=](const Device& device) -> Results {
    WeightUpdateOptions moved = options;
    moved.loss_scale = CopyIfDefined(options.loss_scale, device);
    moved.allowed = CopyIfDefined(options.allowed, device);
    return Updated(CopyRows(rows, device), moved);
  };
}

// A map in any type that kernels have, with channels of which several are computed together or not.
DeviceCall DrawFinishedMap(ArgumentDraw& draw) {
  constexpr at::ScalarType kTypes[] = {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf};
  const at::ScalarType type = kTypes[draw.Between(0, 3)];
  const at::ScalarType sum_type = type == at::kDouble ? at::kDouble : at::kFloat;
  const int64_t channels = draw.Coin() ? 8 * draw.Between(1, 8) : draw.Between(1, 40);
  const std::vector<int64_t> sizes = {draw.Between(1, 3), channels, draw.Between(1, 40),
                                      draw.Between(1, 40)};
  const at::Tensor map = draw.Normal(sizes, type).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor other = draw.Normal(sizes, type).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor bias = draw.Normal({channels}, sum_type);
  const bool adds = draw.Coin(), relu = draw.Coin();
  return [=](const Device& device) -> Results {
    const at::Tensor y = map.clone().to(device), add = adds ? other.to(device) : at::Tensor();
    if (CanFinishMap(y, add)) {
      FindMapFinisher(device.type())->finish(y, bias.to(device), add, relu);
      return {y};
    }
    at::Tensor sum = y.to(sum_type) + bias.to(device).view({1, -1, 1, 1});
    if (adds) sum += add.to(sum_type);
    return {(relu ? sum.clamp_min(0) : sum).to(type)};
  };
}

}  // namespace

std::vector<ComparedOperator> ComparedTrainingOperators() {
  return {
      {"match_boxes", {"match_boxes"}, 1e-6, DrawMatching},
      {"match_batch", {"match_batch"}, 1e-6, DrawBatchMatching},
      {"sample_balanced", {"sample_balanced"}, 0, DrawSampling},
      {"sample_by_counters", {"sample_by_counters"}, 0, DrawCounterSampling},
      {"rpn_loss", {"rpn_loss"}, 1e-5, DrawRpnLoss},
      {"sampled_rpn_loss", {"sampled_rpn_loss", "_sampled_rpn_loss"}, 1e-5, DrawSampledRpnLoss},
      {"fast_rcnn_loss", {"fast_rcnn_loss"}, 1e-5, DrawFastRcnnLoss},
      {"sampled_fast_rcnn_loss",
       {"sampled_fast_rcnn_loss", "_sampled_fast_rcnn_loss"},
       1e-5,
       DrawSampledFastRcnnLoss},
      {"random_mask", {"random_mask"}, 0, DrawRandomMask},
      {"bias, shortcut and ReLU", {}, 0, DrawFinishedMap},
      {"update_weights, SGD",
       {"_update_weights"},
       0,
       [](ArgumentDraw& draw) { return DrawUpdate(draw, false); }},
      {"update_weights, AdamW",
       {"_update_weights"},
       1e-6,
       [](ArgumentDraw& draw) { return DrawUpdate(draw, true); }},
  };
}

}  // namespace rcnn::ops

// The losses of an Rpn on its samples (rpn.h): of all maps, or of the cells of the samples alone.

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <utility>

#include "rcnn/base/autocast_scope.h"
#include "rcnn/detection/finite_output.h"
#include "rcnn/detection/image_rows.h"
#include "rcnn/detection/rpn.h"
#include "rcnn/detection/rpn_output.h"
#include "rcnn/ops/rpn_loss.h"
#include "rcnn/ops/sampled_losses.h"
#include "rcnn/ops/unchecked_values.h"

namespace rcnn::detection {
namespace {

// Objectness of all levels' maps in the order of the anchors: [B, N] logits, or [B, N, 2].
at::Tensor LogitsOfImages(const std::vector<at::Tensor>& maps, ops::ObjectnessKind kind) {
  std::vector<at::Tensor> flat;
  for (const at::Tensor& map : maps) {
    flat.push_back(ops::FlattenObjectness(map, kind == ops::ObjectnessKind::kSoftmaxPair));
  }
  return at::cat(flat, 1);
}

// Deltas likewise: [B, N, 4].
at::Tensor DeltasOfImages(const std::vector<at::Tensor>& maps) {
  std::vector<at::Tensor> flat;
  for (const at::Tensor& map : maps) flat.push_back(ops::FlattenDeltas(map));
  return at::cat(flat, 1);
}

// [B N] logits, or [B N, 2].
at::Tensor FlatLogits(const std::vector<at::Tensor>& maps, ops::ObjectnessKind kind) {
  return LogitsOfImages(maps, kind).flatten(0, 1);
}

// [B N, 4].
at::Tensor FlatDeltas(const std::vector<at::Tensor>& maps) {
  return DeltasOfImages(maps).flatten(0, 1);
}

std::vector<at::Tensor> Logits(const RpnOutput& output) {
  std::vector<at::Tensor> logits;
  for (const ops::ProposalLevel& level : output) logits.push_back(level.logits);
  return logits;
}

std::vector<at::Tensor> Deltas(const RpnOutput& output) {
  std::vector<at::Tensor> deltas;
  for (const ops::ProposalLevel& level : output) deltas.push_back(level.deltas);
  return deltas;
}

// The output of all parts of a batch (StackParts).
struct StackedOutput {
  at::Tensor logits;  // [B, N], or [B, N, 2]
  at::Tensor deltas;  // [B, N, 4]
  int64_t cells = 0;  // of all maps and images
};

StackedOutput StackOutputs(const std::vector<RpnOutput>& parts, ops::ObjectnessKind kind,
                           int64_t anchors_per_cell) {
  std::vector<at::Tensor> logits, deltas;
  int64_t cells = 0;
  for (const RpnOutput& output : parts) {
    logits.push_back(LogitsOfImages(Logits(output), kind));
    deltas.push_back(DeltasOfImages(Deltas(output)));
    cells += logits.back().size(0) * logits.back().size(1) / anchors_per_cell;
  }
  return {StackParts(logits), StackParts(deltas), cells};
}

// The logit of foreground against background of [B, N] logits or [B, N, 2].
at::Tensor ForegroundLogits(const at::Tensor& logits) {
  return logits.dim() == 2 ? logits : logits.select(2, 1) - logits.select(2, 0);
}

// The samples of some images, numbered from 0, out of those of a batch with these anchors of each
// image.
RpnSamples OfImages(const RpnSamples& samples, const std::vector<at::Tensor>& anchors,
                    const ImageRange& images) {
  const int64_t begin = CountAnchors(anchors, images.begin);
  const int64_t end = CountAnchors(anchors, images.end);
  const auto rows = [&](const at::Tensor& sampled) {
    return (sampled >= begin).logical_and(sampled < end).nonzero().squeeze(1);
  };
  const at::Tensor positive = rows(samples.positive), negative = rows(samples.negative);
  return {samples.positive.index_select(0, positive) - begin,
          samples.negative.index_select(0, negative) - begin,
          samples.box_targets.index_select(0, positive)};
}

// The rows of all, in order.
at::Tensor Joined(const std::vector<at::Tensor>& rows) {
  return rows.size() == 1 ? rows.front() : at::cat(rows);
}

// Above this fraction of the cells whole maps are faster (rpn_head_benchmark: from 0.5 of
// them with 512 channels, 0.8 with 128).
constexpr double kMaxSampledShare = 0.65;
// The same where the outputs at all cells are computed anyway, a third of a step's products, so
// that only the backward pass is saved.
constexpr double kMaxSampledShareWithProposals = 0.4;

// Whether the sampled cells are at most `share` of all.
bool AreFew(const std::vector<SampledCells>& sampled, const BatchFeatures& maps, double share) {
  if (sampled.empty()) return false;
  int64_t cells = 0, wanted = 0;
  for (size_t p = 0; p < maps.parts.size(); ++p) {
    for (const at::Tensor& map : maps.parts[p].levels) {
      cells += map.size(0) * map.size(2) * map.size(3);
    }
    for (const at::Tensor& of_level : sampled[p].cells) wanted += of_level.size(0);
  }
  return static_cast<double>(wanted) <= share * static_cast<double>(cells);
}

// Rows [M, C] of cells as a map [1, C, M, 1].
at::Tensor ToMap(const at::Tensor& rows) { return rows.t().unsqueeze(0).unsqueeze(3); }

}  // namespace

double Rpn::BoxNormalizer(int64_t sampled, int64_t images, int64_t cells) const {
  switch (config_.loss().box_normalizer()) {
    case configs::RpnLossConfig::SAMPLED_ANCHORS:
      return static_cast<double>(std::max<int64_t>(sampled, 1));
    case configs::RpnLossConfig::WANTED_ANCHORS:
      return static_cast<double>(config_.targets().anchors_per_image() * images);
    case configs::RpnLossConfig::MAP_CELLS:
      return static_cast<double>(std::max<int64_t>(cells, 1));
  }
  return 1;
}

bool Rpn::DividesBoxesBySampled() const {
  return config_.loss().box_normalizer() == configs::RpnLossConfig::SAMPLED_ANCHORS;
}

Rpn::Divisors Rpn::BatchDivisors(const RpnSamples& samples,
                                 const std::vector<at::Tensor>& anchors) const {
  const int64_t sampled = samples.positive.size(0) + samples.negative.size(0);
  const auto images = static_cast<int64_t>(anchors.size());
  const int64_t cells = CountAnchors(anchors, images) / anchors_.anchors_per_cell();
  return {static_cast<double>(std::max<int64_t>(sampled, 1)),
          BoxNormalizer(sampled, images, cells)};
}

RpnLosses Rpn::ComputeLosses(const at::Tensor& logits, const at::Tensor& deltas,
                             const RpnSamples& samples, const Divisors& divisors) const {
  ops::RpnLossOptions options;
  options.objectness_normalizer = divisors.objectness;
  options.box_normalizer = divisors.box;
  options.box_weight = config_.loss().box_weight();
  options.beta = config_.loss().smooth_l1_beta();
  if (box_loss_ != nullptr) {
    options.box_distance = [this, &options](const at::Tensor& predictions,
                                            const at::Tensor& targets) {
      return (*box_loss_)(predictions, targets, {options.beta});
    };
  }
  const at::Tensor targets = normalization_->Normalize(samples.box_targets);
  const at::Tensor finite_logits = CheckFiniteOutput(logits, "logits of anchors");
  const at::Tensor finite_deltas = CheckFiniteOutput(deltas, "deltas of anchors");
  const ops::UncheckedValues unchecked;
  const ops::RpnLosses losses =
      ops::RpnLoss(logits, deltas, samples.positive, samples.negative, targets, options);
  return {losses.objectness, losses.box, samples.positive.size(0), samples.negative.size(0),
          BothFinite(finite_logits, finite_deltas)};
}

RpnLosses Rpn::LossesOfMaps(const std::vector<RpnOutput>& parts, const RpnSamples& samples,
                            const Divisors& divisors) const {
  std::vector<at::Tensor> logits, deltas;
  for (const RpnOutput& output : parts) {
    logits.push_back(FlatLogits(Logits(output), objectness_));
    deltas.push_back(FlatDeltas(Deltas(output)));
  }
  return ComputeLosses(Joined(logits), Joined(deltas), samples, divisors);
}

RpnLosses Rpn::Losses(const RpnOutput& output, const RpnSamples& samples) const {
  const std::vector<at::Tensor> anchors(static_cast<size_t>(CountImages(output)),
                                        AllAnchors(output));
  return LossesOfMaps({output}, samples, BatchDivisors(samples, anchors));
}

at::Tensor Rpn::CountedBoxLoss(const at::Tensor& deltas, const CountedAnchors& samples,
                               const at::Tensor& targets,
                               const c10::optional<double>& normalizer) const {
  const ops::CountedSample& sample = samples.sample;
  const at::Tensor beyond =
      BeyondCounts(sample.positive_count, sample.positive.size(1)).unsqueeze(2);
  const at::Tensor distance =
      (*box_loss_)(RowsOfImages(deltas, sample.positive).masked_fill(beyond, 0).flatten(0, 1),
                   targets.masked_fill(beyond, 0).flatten(0, 1),
                   {config_.loss().smooth_l1_beta()}) *
      config_.loss().box_weight();
  if (normalizer) return distance / *normalizer;
  return distance / CountSampled(sample).clamp_min(1);
}

c10::optional<double> Rpn::CountedBoxNormalizer(const CountedAnchors& samples, int64_t images,
                                                int64_t cells) const {
  const c10::optional<AnchorTotals>& batch = samples.batch;
  if (DividesBoxesBySampled()) return batch ? c10::optional<double>(1) : c10::nullopt;
  return batch ? BoxNormalizer(/*sampled=*/0, batch->images, batch->cells)
               : BoxNormalizer(/*sampled=*/0, images, cells);
}

RpnLosses Rpn::Losses(const std::vector<RpnOutput>& parts, const CountedAnchors& samples) const {
  const StackedOutput output = StackOutputs(parts, objectness_, anchors_.anchors_per_cell());
  const at::Tensor finite_logits = CheckFiniteOutput(output.logits, "logits of anchors");
  const at::Tensor finite_deltas = CheckFiniteOutput(output.deltas, "deltas of anchors");
  const ops::UncheckedValues unchecked;
  ops::RpnLossOptions options;
  // Of a part of a batch, the sums are divided below by what only the device knows.
  if (samples.batch) options.objectness_normalizer = 1.0;
  options.box_normalizer = CountedBoxNormalizer(samples, output.logits.size(0), output.cells);
  options.box_weight = config_.loss().box_weight();
  options.beta = config_.loss().smooth_l1_beta();
  const at::Tensor targets = normalization_->Normalize(samples.box_targets);
  const ops::RpnLosses losses = ops::SampledRpnLoss(ForegroundLogits(output.logits), output.deltas,
                                                    samples.sample, targets, options);
  RpnLosses result = {losses.objectness, losses.box};
  if (box_loss_ != nullptr) {
    result.box = CountedBoxLoss(output.deltas, samples, targets, options.box_normalizer);
  }
  if (samples.batch) DivideBySampled(samples.batch->sampled, result);
  result.unread_positives = samples.sample.positive_count.sum();
  result.unread_negatives = samples.sample.negative_count.sum();
  result.finite = BothFinite(finite_logits, finite_deltas);
  return result;
}

void Rpn::DivideBySampled(const at::Tensor& sampled, RpnLosses& losses) const {
  const at::Tensor divisor = sampled.clamp_min(1);
  losses.objectness = losses.objectness / divisor;
  if (DividesBoxesBySampled()) losses.box = losses.box / divisor;
}

RpnLosses Rpn::Losses(const std::vector<RpnOutput>& parts, const TrainingTargets& targets,
                      at::Generator generator, const OptionalRange& own) const {
  if (targets.counted) {
    return Losses(
        parts, own ? SampleCounted(parts, targets, std::move(generator), *own)
                   : SampleCounted(parts, targets.sizes, *targets.counted, std::move(generator)));
  }
  const std::vector<at::Tensor> anchors = AnchorsOfBatch(AnchorsOfParts(parts), targets, own);
  const RpnSamples all = DrawSamples(anchors, targets.sizes, targets.truths, std::move(generator));
  const RpnSamples samples = own ? OfImages(all, anchors, *own) : all;
  return LossesOfMaps(parts, samples, BatchDivisors(all, anchors));
}

Rpn::DrawnSamples Rpn::DrawAtCells(const BatchFeatures& maps, const TrainingTargets& targets,
                                   at::Generator generator, const OptionalRange& own) const {
  const std::vector<at::Tensor> here = AnchorsOfEach(maps);
  const std::vector<at::Tensor> anchors = AnchorsOfBatch(here, targets, own);
  const RpnSamples all = DrawSamples(anchors, targets.sizes, targets.truths, std::move(generator));
  DrawnSamples drawn;
  drawn.samples = own ? OfImages(all, anchors, *own) : all;
  drawn.divisors = BatchDivisors(all, anchors);
  if (maps.parts.front().levels.front().is_cpu()) {
    drawn.cells = FindCells(maps, here, drawn.samples);
  }
  return drawn;
}

RpnLosses Rpn::LossesAtSamples(const BatchFeatures& maps, const TrainingTargets& targets,
                               at::Generator generator, const OptionalRange& own) const {
  if (targets.counted) return Losses(ForwardParts(maps), targets, std::move(generator), own);
  const DrawnSamples drawn = DrawAtCells(maps, targets, std::move(generator), own);
  if (AreFew(drawn.cells, maps, kMaxSampledShare)) {
    return LossesOfCells(maps, drawn.cells, drawn.samples.box_targets, drawn.divisors);
  }
  return LossesOfMaps(ForwardParts(maps), drawn.samples, drawn.divisors);
}

RpnPass Rpn::ForwardWithLosses(const BatchFeatures& maps, const TrainingTargets& targets,
                               at::Generator generator, const OptionalRange& own) const {
  RpnPass pass;
  if (targets.counted || !at::GradMode::is_enabled()) {
    pass.parts = ForwardParts(maps);
    pass.losses = Losses(pass.parts, targets, std::move(generator), own);
    return pass;
  }
  const DrawnSamples drawn = DrawAtCells(maps, targets, std::move(generator), own);
  if (AreFew(drawn.cells, maps, kMaxSampledShareWithProposals)) {
    {
      const at::NoGradGuard no_grad;
      // Weights that autocast converts here have no gradient: LossesOfCells must not find them.
      const UncachedAutocastScope uncached;
      pass.parts = ForwardParts(maps);
      CheckOutputs(pass.parts);
    }
    pass.losses = LossesOfCells(maps, drawn.cells, drawn.samples.box_targets, drawn.divisors);
  } else {
    pass.parts = ForwardParts(maps);
    pass.losses = LossesOfMaps(pass.parts, drawn.samples, drawn.divisors);
  }
  return pass;
}

void Rpn::CheckOutputs(const std::vector<RpnOutput>& parts) const {
  std::vector<at::Tensor> logits, deltas;
  for (const RpnOutput& output : parts) {
    logits.push_back(FlatLogits(Logits(output), objectness_));
    deltas.push_back(FlatDeltas(Deltas(output)));
  }
  CheckFiniteOutput(Joined(logits), "logits of anchors");
  CheckFiniteOutput(Joined(deltas), "deltas of anchors");
}

std::vector<SampledCells> Rpn::FindCells(const BatchFeatures& maps,
                                         const std::vector<at::Tensor>& anchors,
                                         const RpnSamples& samples) const {
  std::vector<SampledCells> cells;
  int64_t begin = 0;
  for (const FeatureMaps& part : maps.parts) {
    const int64_t end = begin + part.num_images();
    const RpnSamples of_part = OfImages(samples, anchors, {begin, end});
    cells.push_back(FindSampledCells(part.levels, anchors_.anchors_per_cell(),
                                     {of_part.positive, of_part.negative}));
    begin = end;
  }
  return cells;
}

// The cells' anchors are numbered part after part, as the samples are.
RpnLosses Rpn::LossesOfCells(const BatchFeatures& maps, const std::vector<SampledCells>& cells,
                             const at::Tensor& box_targets, const Divisors& divisors) const {
  std::vector<at::Tensor> logits, deltas, positive, negative;
  int64_t anchors = 0;
  for (size_t p = 0; p < cells.size(); ++p) {
    positive.push_back(cells[p].anchors[0] + anchors);
    negative.push_back(cells[p].anchors[1] + anchors);
    for (size_t l = 0; l < cells[p].cells.size(); ++l) {
      auto [level_logits, level_deltas] = ForwardAt(maps.parts[p].levels[l], cells[p].cells[l]);
      anchors += cells[p].cells[l].size(0) * anchors_.anchors_per_cell();
      logits.push_back(std::move(level_logits));
      deltas.push_back(std::move(level_deltas));
    }
  }
  return ComputeLosses(FlatLogits({ToMap(at::cat(logits))}, objectness_),
                       FlatDeltas({ToMap(at::cat(deltas))}),
                       {at::cat(positive), at::cat(negative), box_targets}, divisors);
}

}  // namespace rcnn::detection

#include "rcnn/detection/rpn.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "rcnn/base/random_stream.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/detection/config_options.h"
#include "rcnn/detection/device_copy.h"
#include "rcnn/detection/finite_output.h"
#include "rcnn/ops/anchors.h"
#include "rcnn/ops/balanced_sampler.h"
#include "rcnn/ops/batch_matcher.h"
#include "rcnn/ops/check.h"
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

int64_t CountImages(const RpnOutput& output) { return output.front().logits.size(0); }

at::Tensor AllAnchors(const RpnOutput& output) {
  std::vector<at::Tensor> anchors;
  for (const ops::ProposalLevel& level : output) anchors.push_back(level.anchors);
  return at::cat(anchors);
}

// The anchors [N_b, 4] of each image.
std::vector<at::Tensor> AnchorsOfParts(const std::vector<RpnOutput>& parts) {
  std::vector<at::Tensor> anchors;
  for (const RpnOutput& output : parts) {
    anchors.insert(anchors.end(), static_cast<size_t>(CountImages(output)), AllAnchors(output));
  }
  return anchors;
}

// Images, anchors, ... of a batch in parts as one tensor [B, N, ...], where N is that of the part
// with the most anchors, and at least 1; zeros fill the rest.
at::Tensor StackParts(const std::vector<at::Tensor>& parts) {
  int64_t most = 1;
  for (const at::Tensor& part : parts) most = std::max(most, part.size(1));
  std::vector<at::Tensor> padded;
  for (const at::Tensor& part : parts) {
    const int64_t missing = most - part.size(1);
    if (missing == 0) {
      padded.push_back(part);
      continue;
    }
    std::vector<int64_t> sizes = part.sizes().vec();
    sizes[1] = missing;
    padded.push_back(at::cat({part, at::zeros(sizes, part.options())}, 1));
  }
  return padded.size() == 1 ? padded.front() : at::cat(padded);
}

// The logit of foreground against background of [B, N] logits or [B, N, 2].
at::Tensor ForegroundLogits(const at::Tensor& logits) {
  return logits.dim() == 2 ? logits : logits.select(2, 1) - logits.select(2, 0);
}

// Rows [B, P, ...] of values [B, N, ...], by their numbers [B, P] in each image.
at::Tensor RowsOfImages(const at::Tensor& values, const at::Tensor& rows) {
  if (values.dim() == 2) return values.gather(1, rows);
  return values.gather(1, rows.unsqueeze(2).expand({-1, -1, values.size(2)}));
}

// [B, capacity] bool: the rows beyond the counts.
at::Tensor BeyondCounts(const at::Tensor& counts, int64_t capacity) {
  return at::arange(capacity, counts.options()).unsqueeze(0).ge(counts.unsqueeze(1));
}

RpnHeadOptions HeadOptions(const configs::RpnConfig& config, const FeatureLevel& level,
                           int64_t anchors_per_cell) {
  RpnHeadOptions options;
  options.in_channels = level.channels;
  options.channels = config.channels() > 0 ? config.channels() : level.channels;
  options.num_convs = config.num_convs();
  options.anchors_per_cell = anchors_per_cell;
  options.objectness = config.objectness() == configs::RpnConfig::SOFTMAX
                           ? ops::ObjectnessKind::kSoftmaxPair
                           : ops::ObjectnessKind::kSigmoid;
  return options;
}

ops::MatcherOptions MakeMatcherOptions(const configs::RpnConfig& config) {
  ops::MatcherOptions options;
  options.foreground_iou = config.targets().foreground_iou();
  options.background_max_iou = config.targets().background_iou();
  options.inclusive = config.box_coder().inclusive_corners();
  return options;
}

// The anchors that are used in training for an image of this size.
c10::optional<at::Tensor> Eligible(const configs::RpnConfig& config, const at::Tensor& anchors,
                                   const ops::InputSize& input) {
  if (!config.targets().has_max_overhang_px()) return c10::nullopt;
  ops::InsideImageOptions options;
  options.border_px = config.targets().max_overhang_px();
  options.inclusive = config.box_coder().inclusive_corners();
  const ops::ImageSize size = {static_cast<int64_t>(input.height),
                               static_cast<int64_t>(input.width)};
  return ops::InsideImage(anchors, size, options);
}

// The number of anchors of the first `images` images.
int64_t CountAnchors(const std::vector<at::Tensor>& anchors, int64_t images) {
  int64_t count = 0;
  for (int64_t b = 0; b < images; ++b) count += anchors[static_cast<size_t>(b)].size(0);
  return count;
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

// The same of samples by counters.
CountedAnchors OfImages(const CountedAnchors& samples, const ImageRange& images) {
  const auto rows = [&](const at::Tensor& of_all) {
    return of_all.narrow(0, images.begin, images.end - images.begin);
  };
  const ops::CountedSample& all = samples.sample;
  return {
      {rows(all.positive), rows(all.positive_count), rows(all.negative), rows(all.negative_count)},
      rows(samples.box_targets)};
}

at::Tensor CountSampled(const ops::CountedSample& sample) {
  return sample.positive_count.sum() + sample.negative_count.sum();
}

// The rows of all, in order.
at::Tensor Joined(const std::vector<at::Tensor>& rows) {
  return rows.size() == 1 ? rows.front() : at::cat(rows);
}

void CheckOwn(const ImageRange& own, int64_t images, const InputSizes& sizes) {
  TORCH_CHECK(0 <= own.begin && own.end - own.begin == images &&
                  own.end <= static_cast<int64_t>(sizes.size()),
              "rpn: maps of ", images, " images for the images [", own.begin, ", ", own.end,
              ") of ", sizes.size());
}

// The values of the ground truth are checked here, and by no operator.
void CheckTruths(const InputSizes& sizes, const GroundTruths& truths) {
  TORCH_CHECK(sizes.size() == truths.size(), "rpn: ground truth for ", truths.size(),
              " images for a batch of ", sizes.size());
  for (const GroundTruth& truth : truths) ops::CheckBoxes(truth.boxes, "ground truth");
}

void CheckCounts(const std::vector<RpnOutput>& parts, const InputSizes& sizes,
                 const CountedTruths& truths) {
  int64_t images = 0;
  for (const RpnOutput& output : parts) images += CountImages(output);
  TORCH_CHECK(static_cast<int64_t>(sizes.size()) == images && truths.counts.size(0) == images,
              "rpn: ", sizes.size(), " sizes and ground truth of ", truths.counts.size(0),
              " images for maps of ", images);
}

// Above this fraction of the cells whole maps are faster (rpn_head_benchmark: from 0.5 of
// them with 512 channels, 0.8 with 128).
constexpr double kMaxSampledShare = 0.65;

// Whether the sampled cells are few enough to be computed alone.
bool AreFew(const std::vector<SampledCells>& sampled, const BatchFeatures& maps) {
  int64_t cells = 0, wanted = 0;
  for (size_t p = 0; p < maps.parts.size(); ++p) {
    for (const at::Tensor& map : maps.parts[p].levels) {
      cells += map.size(0) * map.size(2) * map.size(3);
    }
    for (const at::Tensor& of_level : sampled[p].cells) wanted += of_level.size(0);
  }
  return static_cast<double>(wanted) <= kMaxSampledShare * static_cast<double>(cells);
}

// Rows [M, C] of cells as a map [1, C, M, 1].
at::Tensor ToMap(const at::Tensor& rows) { return rows.t().unsqueeze(0).unsqueeze(3); }

}  // namespace

absl::StatusOr<std::shared_ptr<Rpn>> Rpn::Create(const configs::RpnConfig& config,
                                                 const std::vector<FeatureLevel>& levels) {
  RCNN_RETURN_IF_ERROR(CheckRpnConfig(config));
  RCNN_ASSIGN_OR_RETURN(AnchorGrid anchors, AnchorGrid::Create(config.anchors(), levels));
  RCNN_ASSIGN_OR_RETURN(const ops::BoxCoderOptions coder,
                        MakeBoxCoderOptions(config.box_coder(), "rpn.box_coder"));
  RCNN_ASSIGN_OR_RETURN(const BoxLoss* box_loss,
                        FindBoxLoss("rpn.loss.box_loss", config.loss().box_loss()));
  const RpnHeadOptions head = HeadOptions(config, levels.front(), anchors.anchors_per_cell());
  std::shared_ptr<Rpn> rpn(
      new Rpn(config, head, std::move(anchors), coder, static_cast<int64_t>(levels.size())));
  rpn->box_loss_ = box_loss;
  return rpn;
}

Rpn::Rpn(const configs::RpnConfig& config, const RpnHeadOptions& head, AnchorGrid anchors,
         const ops::BoxCoderOptions& coder, int64_t num_levels)
    : RpnHead(head),
      config_(config),
      objectness_(head.objectness),
      anchors_(std::move(anchors)),
      coder_(coder),
      num_levels_(num_levels),
      normalization_(register_module("box_normalization", std::make_shared<BoxNormalization>())) {
  if (config.targets().box_normalization() != configs::RpnTargetsConfig::FIXED) return;
  const auto row = [](const auto& numbers) {
    return at::tensor(at::ArrayRef<double>(numbers.data(), numbers.size()), at::kFloat);
  };
  SetBoxNormalization(row(config.targets().box_mean()), row(config.targets().box_std()));
}

void Rpn::CheckMaps(const std::vector<at::Tensor>& maps) const {
  TORCH_CHECK(static_cast<int64_t>(maps.size()) == num_levels_, "rpn: ", maps.size(), " maps for ",
              num_levels_, " levels");
}

RpnOutput Rpn::Forward(const std::vector<at::Tensor>& maps, int64_t input_height,
                       int64_t input_width) const {
  CheckMaps(maps);
  const std::vector<at::Tensor> anchors = anchors_.Generate(maps, input_height, input_width);
  RpnOutput output;
  for (size_t i = 0; i < maps.size(); ++i) {
    auto [logits, deltas] = RpnHead::Forward(maps[i]);
    output.push_back({std::move(logits), std::move(deltas), anchors[i]});
  }
  return output;
}

std::vector<RpnOutput> Rpn::ForwardParts(const BatchFeatures& maps) const {
  std::vector<RpnOutput> parts;
  for (const FeatureMaps& part : maps.parts) {
    parts.push_back(Forward(part.levels, part.height, part.width));
  }
  return parts;
}

ops::Proposals Rpn::Propose(const RpnOutput& output, const InputSizes& sizes) const {
  return Propose(output, sizes,
                 is_training() ? config_.train_proposals() : config_.test_proposals());
}

ops::ProposalOptions Rpn::MakeProposalOptions(const configs::ProposalsConfig& config) const {
  ops::ProposalOptions options;
  options.objectness = objectness_;
  options.pre_nms_top_n =
      config.before_nms() > 0 ? config.before_nms() : std::numeric_limits<int64_t>::max();
  options.post_nms_top_n = config.after_nms();
  options.nms_iou_threshold = config.nms_iou();
  options.min_side_px = config.min_side_px();
  options.drop_small_before_top_n = config.drop_small_first();
  options.coder = coder_;
  return options;
}

RpnOutput Rpn::Decodable(const RpnOutput& output) const {
  if (!normalization_->is_set()) return output;
  RpnOutput decodable = output;
  for (ops::ProposalLevel& level : decodable) {
    const auto per_channel = [&](const at::Tensor& row) {
      return row.to(level.deltas.options()).repeat({level.deltas.size(1) / 4}).view({1, -1, 1, 1});
    };
    level.deltas =
        level.deltas * per_channel(normalization_->std()) + per_channel(normalization_->mean());
  }
  return decodable;
}

ops::Proposals Rpn::Propose(const RpnOutput& output, const InputSizes& sizes,
                            const configs::ProposalsConfig& config) const {
  at::NoGradGuard no_grad;
  const ops::UncheckedValues unchecked;
  return ops::GenerateProposals(Decodable(output), sizes, MakeProposalOptions(config));
}

ops::Proposals Rpn::Propose(const std::vector<RpnOutput>& parts, const InputSizes& sizes,
                            const configs::ProposalsConfig& config) const {
  if (parts.size() == 1) return Propose(parts.front(), sizes, config);
  const auto count = static_cast<int64_t>(parts.size());
  TORCH_CHECK(parts.size() == sizes.size(), "rpn: sizes of ", sizes.size(), " images for maps of ",
              count);
  std::vector<ops::Proposals> found(parts.size());
  const bool on_cpu = parts.front().front().logits.is_cpu();
  at::parallel_for(0, count, on_cpu ? 1 : count, [&](int64_t begin, int64_t end) {
    for (auto b = static_cast<size_t>(begin); b < static_cast<size_t>(end); ++b) {
      found[b] = Propose(parts[b], {sizes[b]}, config);
      found[b].rois.select(1, 0).fill_(static_cast<double>(b));
    }
  });
  std::vector<at::Tensor> rois, scores, counts;
  for (ops::Proposals& image : found) {
    rois.push_back(std::move(image.rois));
    scores.push_back(std::move(image.scores));
    counts.push_back(std::move(image.counts));
  }
  return {at::cat(rois), at::cat(scores), at::cat(counts)};
}

ops::CountedProposals Rpn::ProposeCounted(const std::vector<RpnOutput>& parts,
                                          const at::Tensor& image_info,
                                          const configs::ProposalsConfig& config) const {
  at::NoGradGuard no_grad;
  const ops::UncheckedValues unchecked;
  const ops::ProposalOptions options = MakeProposalOptions(config);
  std::vector<at::Tensor> rois, scores, counts;
  int64_t begin = 0;
  for (const RpnOutput& output : parts) {
    const int64_t images = CountImages(output);
    ops::CountedProposals found = ops::GenerateCountedProposals(
        Decodable(output), image_info.narrow(0, begin, images), options);
    if (begin > 0) found.rois.select(2, 0).add_(begin);
    rois.push_back(std::move(found.rois));
    scores.push_back(std::move(found.scores));
    counts.push_back(std::move(found.counts));
    begin += images;
  }
  if (parts.size() == 1) return {rois.front(), scores.front(), counts.front()};
  return {StackParts(rois), StackParts(scores), at::cat(counts)};
}

BatchAnchors Rpn::AnchorsOfBatch(const std::vector<RpnOutput>& parts,
                                 const InputSizes& sizes) const {
  if (parts.size() == 1 && AllAnchors(parts.front()).size(0) > 0) {
    return SharedAnchors(AllAnchors(parts.front()), sizes);
  }
  return StackAnchors(AnchorsOfParts(parts), sizes);
}

BatchAnchors Rpn::StackAnchors(const std::vector<at::Tensor>& of_each,
                               const InputSizes& sizes) const {
  std::vector<at::Tensor> anchors, eligible;
  for (const at::Tensor& own : of_each) {
    const auto inside = Eligible(config_, own, sizes[anchors.size()]);
    const at::Tensor all = at::ones({own.size(0)}, own.options().dtype(at::kBool));
    eligible.push_back((inside ? *inside : all).unsqueeze(0));
    anchors.push_back(own.unsqueeze(0));
  }
  return {StackParts(anchors), StackParts(eligible)};
}

BatchAnchors Rpn::SharedAnchors(const at::Tensor& anchors, const InputSizes& sizes) const {
  if (!config_.targets().has_max_overhang_px()) return {anchors, c10::nullopt};
  std::vector<at::Tensor> eligible;
  for (const ops::InputSize& size : sizes) eligible.push_back(*Eligible(config_, anchors, size));
  return {anchors, at::stack(eligible)};
}

CountedAnchors Rpn::SampleCounted(const std::vector<RpnOutput>& parts, const InputSizes& sizes,
                                  const CountedTruths& truths, at::Generator generator) const {
  at::NoGradGuard no_grad;
  const ops::UncheckedValues unchecked;
  CheckCounts(parts, sizes, truths);
  return DrawCounted(AnchorsOfBatch(parts, sizes), truths, std::move(generator));
}

CountedAnchors Rpn::SampleCounted(const std::vector<RpnOutput>& parts,
                                  const TrainingTargets& targets, at::Generator generator,
                                  const ImageRange& own) const {
  at::NoGradGuard no_grad;
  const ops::UncheckedValues unchecked;
  const std::vector<at::Tensor> anchors = AnchorsOfBatch(AnchorsOfParts(parts), targets, own);
  const auto images = static_cast<int64_t>(anchors.size());
  TORCH_CHECK(targets.counted->counts.size(0) == images, "rpn: ground truth of ",
              targets.counted->counts.size(0), " images for a batch of ", images);
  const CountedAnchors all =
      DrawCounted(StackAnchors(anchors, targets.sizes), *targets.counted, std::move(generator));
  CountedAnchors part = OfImages(all, own);
  part.batch = AnchorTotals{images, CountAnchors(anchors, images) / anchors_.anchors_per_cell(),
                            CountSampled(all.sample)};
  return part;
}

CountedAnchors Rpn::DrawCounted(const BatchAnchors& anchors, const CountedTruths& truths,
                                at::Generator generator) const {
  const ops::Matches matches =
      ops::MatchBatch(anchors.boxes, truths.boxes, truths.counts, MakeMatcherOptions(config_),
                      truths.is_crowd, anchors.eligible);
  CountedAnchors drawn;
  drawn.sample = ops::SampleByCounters(
      matches.labels, truths.image_ids, DrawBits(std::move(generator)),
      {config_.targets().anchors_per_image(), config_.targets().positive_fraction()});
  drawn.box_targets = CountedTargets(anchors.boxes, truths, matches, drawn.sample);
  return drawn;
}

at::Tensor Rpn::CountedTargets(const at::Tensor& anchors, const CountedTruths& truths,
                               const ops::Matches& matches,
                               const ops::CountedSample& sample) const {
  const at::Tensor& rows = sample.positive;
  const at::Tensor gt = RowsOfImages(matches.gt_index, rows).clamp_min(0);
  const at::Tensor boxes = anchors.dim() == 2 ? anchors.index_select(0, rows.flatten())
                                              : RowsOfImages(anchors, rows).flatten(0, 1);
  return ops::EncodeBoxes(boxes, RowsOfImages(truths.boxes, gt).flatten(0, 1), coder_)
      .view({rows.size(0), rows.size(1), 4})
      .masked_fill(BeyondCounts(sample.positive_count, rows.size(1)).unsqueeze(2), 0);
}

ops::Matches Rpn::Match(const at::Tensor& anchors, const GroundTruth& truth,
                        const ops::InputSize& input) const {
  return ops::MatchBoxes(anchors, truth.boxes, MakeMatcherOptions(config_), CrowdMask(truth),
                         Eligible(config_, anchors, input));
}

at::Tensor Rpn::Targets(const at::Tensor& anchors, const GroundTruth& truth,
                        const ops::Matches& matches, const at::Tensor& rows) const {
  const at::Tensor gt = matches.gt_index.index_select(0, rows);
  return ops::EncodeBoxes(anchors.index_select(0, rows), truth.boxes.index_select(0, gt), coder_);
}

at::Tensor Rpn::PositiveBoxTargets(const std::vector<at::Tensor>& maps, int64_t input_height,
                                   int64_t input_width, const InputSizes& sizes,
                                   const GroundTruths& truths) const {
  at::NoGradGuard no_grad;
  CheckTruths(sizes, truths);
  const ops::UncheckedValues unchecked;
  const at::Tensor anchors = at::cat(anchors_.Generate(maps, input_height, input_width));
  std::vector<at::Tensor> targets;
  for (size_t b = 0; b < truths.size(); ++b) {
    const ops::Matches matches = Match(anchors, truths[b], sizes[b]);
    const at::Tensor positive = (matches.labels > 0).nonzero().squeeze(1);
    targets.push_back(Targets(anchors, truths[b], matches, positive));
  }
  return at::cat(targets);
}

RpnSamples Rpn::Sample(const RpnOutput& output, const InputSizes& sizes, const GroundTruths& truths,
                       at::Generator generator) const {
  const std::vector<at::Tensor> anchors(sizes.size(), AllAnchors(output));
  return DrawSamples(anchors, sizes, truths, std::move(generator));
}

std::vector<at::Tensor> Rpn::AnchorsOfEach(const BatchFeatures& maps) const {
  std::vector<at::Tensor> anchors;
  for (const FeatureMaps& part : maps.parts) {
    CheckMaps(part.levels);
    anchors.insert(anchors.end(), static_cast<size_t>(part.num_images()),
                   at::cat(anchors_.Generate(part.levels, part.height, part.width)));
  }
  return anchors;
}

std::vector<at::Tensor> Rpn::AnchorsOfBatch(const std::vector<at::Tensor>& here,
                                            const TrainingTargets& targets,
                                            const OptionalRange& own) const {
  const auto images = static_cast<int64_t>(here.size());
  const auto all = static_cast<int64_t>(targets.sizes.size());
  TORCH_CHECK(own || all == images, "rpn: sizes of ", all, " images for maps of ", images);
  if (!own) return here;
  CheckOwn(*own, images, targets.sizes);
  if (targets.extents.empty()) return std::vector<at::Tensor>(targets.sizes.size(), here.front());
  TORCH_CHECK(targets.extents.size() == targets.sizes.size(), "rpn: map sizes of ",
              targets.extents.size(), " images for a batch of ", all);
  std::vector<at::Tensor> anchors;
  for (int64_t b = 0; b < all; ++b) {
    const bool is_here = own->begin <= b && b < own->end;
    anchors.push_back(
        is_here ? here[static_cast<size_t>(b - own->begin)]
                : CopyToDevice(at::cat(anchors_.Generate(targets.extents[static_cast<size_t>(b)])),
                               here.front().device()));
  }
  return anchors;
}

RpnSamples Rpn::DrawSamples(const std::vector<at::Tensor>& anchors, const InputSizes& sizes,
                            const GroundTruths& truths, at::Generator generator) const {
  at::NoGradGuard no_grad;
  CheckTruths(sizes, truths);
  const ops::UncheckedValues unchecked;
  const ops::BalancedSamplerOptions wanted = {config_.targets().anchors_per_image(),
                                              config_.targets().positive_fraction()};
  std::vector<at::Tensor> positive, negative, targets;
  int64_t offset = 0;
  for (size_t b = 0; b < truths.size(); ++b) {
    const ops::Matches matches = Match(anchors[b], truths[b], sizes[b]);
    const ops::BalancedSample sample = ops::SampleBalanced(matches.labels, wanted, generator);
    positive.push_back(sample.positive + offset);
    negative.push_back(sample.negative + offset);
    targets.push_back(Targets(anchors[b], truths[b], matches, sample.positive));
    offset += anchors[b].size(0);
  }
  return {at::cat(positive), at::cat(negative), at::cat(targets)};
}

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

RpnLosses Rpn::Losses(const std::vector<RpnOutput>& parts, const CountedAnchors& samples) const {
  std::vector<at::Tensor> logits_of_parts, deltas_of_parts;
  int64_t cells = 0;
  for (const RpnOutput& output : parts) {
    logits_of_parts.push_back(LogitsOfImages(Logits(output), objectness_));
    deltas_of_parts.push_back(DeltasOfImages(Deltas(output)));
    cells += logits_of_parts.back().size(0) * logits_of_parts.back().size(1) /
             anchors_.anchors_per_cell();
  }
  const at::Tensor all_logits = StackParts(logits_of_parts), deltas = StackParts(deltas_of_parts);
  const at::Tensor finite_logits = CheckFiniteOutput(all_logits, "logits of anchors");
  const at::Tensor finite_deltas = CheckFiniteOutput(deltas, "deltas of anchors");
  const ops::UncheckedValues unchecked;
  ops::RpnLossOptions options;
  // Of a part, the sums are divided below by what only the device knows.
  if (samples.batch) options.objectness_normalizer = options.box_normalizer = 1.0;
  const bool by_sampled =
      config_.loss().box_normalizer() == configs::RpnLossConfig::SAMPLED_ANCHORS;
  if (!by_sampled) {
    options.box_normalizer =
        samples.batch ? BoxNormalizer(/*sampled=*/0, samples.batch->images, samples.batch->cells)
                      : BoxNormalizer(/*sampled=*/0, all_logits.size(0), cells);
  }
  options.box_weight = config_.loss().box_weight();
  options.beta = config_.loss().smooth_l1_beta();
  const at::Tensor targets = normalization_->Normalize(samples.box_targets);
  const ops::RpnLosses losses =
      ops::SampledRpnLoss(ForegroundLogits(all_logits), deltas, samples.sample, targets, options);
  RpnLosses result = {losses.objectness, losses.box};
  if (box_loss_ != nullptr) {
    result.box = CountedBoxLoss(deltas, samples, targets, options.box_normalizer);
  }
  if (samples.batch) {
    const at::Tensor sampled = samples.batch->sampled.clamp_min(1);
    result.objectness = result.objectness / sampled;
    if (by_sampled) result.box = result.box / sampled;
  }
  result.unread_positives = samples.sample.positive_count.sum();
  result.unread_negatives = samples.sample.negative_count.sum();
  result.finite = BothFinite(finite_logits, finite_deltas);
  return result;
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

RpnLosses Rpn::LossesAtSamples(const BatchFeatures& maps, const TrainingTargets& targets,
                               at::Generator generator, const OptionalRange& own) const {
  if (targets.counted) return Losses(ForwardParts(maps), targets, std::move(generator), own);
  const std::vector<at::Tensor> here = AnchorsOfEach(maps);
  const std::vector<at::Tensor> anchors = AnchorsOfBatch(here, targets, own);
  const RpnSamples all = DrawSamples(anchors, targets.sizes, targets.truths, std::move(generator));
  const RpnSamples samples = own ? OfImages(all, anchors, *own) : all;
  const Divisors divisors = BatchDivisors(all, anchors);
  if (maps.parts.front().levels.front().is_cpu()) {
    const std::vector<SampledCells> cells = FindCells(maps, here, samples);
    if (AreFew(cells, maps)) return LossesOfCells(maps, cells, samples.box_targets, divisors);
  }
  return LossesOfMaps(ForwardParts(maps), samples, divisors);
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

void Rpn::SetBoxNormalization(const at::Tensor& mean, const at::Tensor& std) {
  if (std.defined()) {
    TORCH_CHECK(mean.defined() && mean.sizes() == at::IntArrayRef({4}) &&
                    std.sizes() == at::IntArrayRef({4}),
                "box normalisation: mean and std are [4]");
    TORCH_CHECK((std > 0).all().item<bool>() && mean.isfinite().all().item<bool>(),
                "box normalisation: std must be > 0 and mean finite");
  }
  normalization_->Set(mean, std);
}

std::pair<at::Tensor, at::Tensor> Rpn::FoldedBoxPredictor() const {
  at::NoGradGuard no_grad;
  const at::Tensor weight = bbox_pred()->weight().detach(), bias = bbox_pred()->bias().detach();
  if (!normalization_->is_set()) return {weight, bias};
  const int64_t anchors = weight.size(0) / 4;
  const at::Tensor std = normalization_->std().to(weight).repeat({anchors});
  return {weight * std.view({-1, 1, 1, 1}),
          bias * std + normalization_->mean().to(weight).repeat({anchors})};
}

}  // namespace rcnn::detection

#include "rcnn/detection/fast_rcnn_head.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/autocast_scope.h"
#include "rcnn/base/check_range.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/random_stream.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/detection/config_options.h"
#include "rcnn/detection/finite_output.h"
#include "rcnn/detection/image_rows.h"
#include "rcnn/detection/make_backbone.h"
#include "rcnn/detection/pool_rois.h"
#include "rcnn/ops/balanced_sampler.h"
#include "rcnn/ops/batch_matcher.h"
#include "rcnn/ops/check.h"
#include "rcnn/ops/counter_sampler.h"
#include "rcnn/ops/fast_rcnn_loss.h"
#include "rcnn/ops/matcher.h"
#include "rcnn/ops/multilevel_roi_align.h"
#include "rcnn/ops/roi_align.h"
#include "rcnn/ops/roi_pool.h"
#include "rcnn/ops/rois.h"
#include "rcnn/ops/sampled_losses.h"
#include "rcnn/ops/unchecked_values.h"

namespace rcnn::detection {
namespace {

// RoIs that inference computes at a time: as many as have features of this many bytes. So few that
// these take less than the maps, and so many that the weights are not read too often.
constexpr int64_t kPartBytes = int64_t{64} << 20;
constexpr int64_t kMinPartRois = 64, kMaxPartRois = 384;

absl::StatusOr<std::unique_ptr<BoxHead>> MakeBoxHead(torch::nn::Module& owner,
                                                     const configs::HeadConfig& config,
                                                     const configs::BackboneConfig& backbone,
                                                     const FeatureLevel& level) {
  if (config.layers_case() != configs::HeadConfig::kLayer4) {
    return std::make_unique<FcBoxHead>(owner, config.fc(), level.channels, config.pool().size());
  }
  if (!backbone.has_resnet()) {
    return absl::InvalidArgumentError("head.layer4 needs backbone { resnet {} }");
  }
  const ResNetShape shape = FindResNetShape(backbone.resnet().depth());
  if (level.channels != shape.OutChannels(3)) {
    return absl::InvalidArgumentError(absl::StrCat("head.layer4 takes the C4 map of ",
                                                   Counted(shape.OutChannels(3), "channel"),
                                                   ", not one of ", level.channels));
  }
  const int stride = config.layer4().stride();
  RCNN_RETURN_IF_ERROR(CheckRange("head.layer4.stride", stride, 1, 2));
  return std::make_unique<Layer4BoxHead>(owner, shape, stride,
                                         ResNetNormOptions(backbone.resnet()));
}

ops::MatcherOptions MakeMatcherOptions(const configs::HeadConfig& config) {
  ops::MatcherOptions options;
  options.foreground_iou = config.targets().foreground_iou();
  options.background_max_iou = config.targets().background_max_iou();
  options.background_min_iou = config.targets().background_min_iou();
  options.match_best_of_each_gt = false;
  options.inclusive = config.box_coder().inclusive_corners();
  return options;
}

// The values of proposals and ground truth are checked here, and by no operator.
void CheckInputs(const std::vector<at::Tensor>& proposals, const GroundTruths& truths) {
  TORCH_CHECK(proposals.size() == truths.size(), "head: proposals for ",
              Counted(proposals.size(), "image"), ", but ground truth for ", truths.size());
  for (const at::Tensor& boxes : proposals) ops::CheckBoxes(boxes, "proposals");
  for (const GroundTruth& truth : truths) ops::CheckBoxes(truth.boxes, "ground truth");
}

std::vector<at::Tensor> AsFloat32(const std::vector<at::Tensor>& maps) {
  std::vector<at::Tensor> converted;
  for (const at::Tensor& map : maps) {
    converted.push_back(map.element_size() < 4 ? map.to(at::kFloat) : map);
  }
  return converted;
}

// Maps are shorter under autocast. RoIAlign on a device reads them as they are, with sums in
// float32, and rounds its result to their type, as the layers after it would.
bool ReadsShortMaps(const std::vector<at::Tensor>& maps) {
  if (maps.front().is_cpu()) return false;
  const c10::optional<c10::ScalarType> type = AutocastType(maps.front().device().type());
  return type && std::all_of(maps.begin(), maps.end(),
                             [&](const at::Tensor& map) { return map.scalar_type() == *type; });
}

// Proposals of one image and, if wanted, its ground truth, of which crowds are not eligible.
struct Candidates {
  at::Tensor boxes;
  c10::optional<at::Tensor> eligible = c10::nullopt;
};

Candidates MakeCandidates(const at::Tensor& proposals, const GroundTruth& truth, bool add_truth) {
  if (!add_truth) return {proposals};
  Candidates candidates = {at::cat({proposals, truth.boxes})};
  if (truth.is_crowd.defined()) {
    const at::Tensor all = at::ones({proposals.size(0)}, truth.is_crowd.options());
    candidates.eligible = at::cat({all, truth.is_crowd.logical_not()});
  }
  return candidates;
}

// [B R, 2]: RoiSamples::draw_rows of R RoIs of each image, `image_ids` [B] int64.
at::Tensor MakeDrawRows(const at::Tensor& image_ids, int64_t rois) {
  const std::vector<int64_t> shape = {image_ids.size(0), rois};
  const at::Tensor number = at::arange(rois, image_ids.options()).expand(shape);
  return at::stack({image_ids.unsqueeze(1).expand(shape), number}, 2).flatten(0, 1);
}

// [B, K + G] bool: the proposals, and the objects if they are wanted, without crowds.
at::Tensor CountingCandidates(const at::Tensor& proposals, const at::Tensor& counts,
                              const CountedTruths& truths, bool add_truth) {
  const auto counting = [&](const at::Tensor& of_image, int64_t capacity) {
    return at::arange(capacity, counts.options()).unsqueeze(0).lt(of_image.unsqueeze(1));
  };
  const at::Tensor objects =
      add_truth
          ? counting(truths.counts, truths.boxes.size(1)).logical_and(truths.is_crowd.logical_not())
          : at::zeros_like(truths.is_crowd);
  return at::cat({counting(counts, proposals.size(1)), objects}, 1);
}

// One row for each sample: positives, then negatives, then rows that are beyond both.
struct SampleRows {
  at::Tensor rows;         // [B, count] int64
  at::Tensor is_positive;  // [B, count] bool
  at::Tensor is_beyond;    // [B, count] bool
};

SampleRows JoinSigns(const ops::CountedSample& sample, int64_t count) {
  const at::Tensor place = at::arange(count, sample.positive.options()).unsqueeze(0);
  const at::Tensor positives = sample.positive_count.unsqueeze(1);
  const at::Tensor is_positive = place.lt(positives);
  const at::Tensor positive =
      at::constant_pad_nd(sample.positive, {0, count - sample.positive.size(1)});
  const at::Tensor negative = sample.negative.gather(1, (place - positives).clamp_min(0));
  return {at::where(is_positive, positive, negative), is_positive,
          place.ge(positives + sample.negative_count.unsqueeze(1))};
}

// RoIs [B R, 5] from boxes [B, R, 4].
at::Tensor WithImages(const at::Tensor& boxes) {
  const at::Tensor image = at::arange(boxes.size(0), boxes.options()).view({-1, 1, 1});
  return at::cat({image.expand({-1, boxes.size(1), 1}), boxes}, 2).flatten(0, 1);
}

int64_t Sum(const std::vector<int64_t>& numbers, int64_t end) {
  return std::accumulate(numbers.begin(), numbers.begin() + end, int64_t{0});
}

// The `count` samples from `begin` on. `first_image` becomes image 0.
RoiSamples TakeRows(const RoiSamples& samples, int64_t begin, int64_t count, int64_t first_image) {
  RoiSamples part;
  part.rois = samples.rois.narrow(0, begin, count).clone();
  part.rois.select(1, 0).sub_(first_image);
  part.labels = samples.labels.narrow(0, begin, count);
  part.box_targets = samples.box_targets.narrow(0, begin, count);
  part.rois_of_batch = samples.rois.size(0);
  if (samples.draw_rows.defined()) part.draw_rows = samples.draw_rows.narrow(0, begin, count);
  return part;
}

// SamplesOfImages of samples of a fixed size.
RoiSamples CountedSamplesOfImages(const RoiSamples& samples, const ImageRange& own) {
  const std::vector<int64_t>& of_image = samples.rois_of_image;
  const int64_t begin = Sum(of_image, own.begin);
  RoiSamples part = TakeRows(samples, begin, Sum(of_image, own.end) - begin, own.begin);
  part.rois_of_image.assign(of_image.begin() + own.begin, of_image.begin() + own.end);
  part.unread_positives = part.labels.gt(0).sum();
  part.unread_negatives = part.labels.eq(0).sum();
  part.unread_of = samples.labels.ge(0).sum();
  return part;
}

// What the sums over RoIs are divided by, of a part of a batch; not set: their own number.
c10::optional<double> PartNormalizer(const RoiSamples& samples) {
  if (!samples.rois_of_batch) return c10::nullopt;
  return std::max<double>(1, static_cast<double>(*samples.rois_of_batch));
}

// The same of samples of a fixed size, at first; not set: the RoIs that count.
c10::optional<double> CountedNormalizer(const RoiSamples& samples) {
  if (samples.unread_of.defined()) return 1.0;
  return PartNormalizer(samples);
}

}  // namespace

RoiSamples SamplesOfImages(const RoiSamples& samples, const ImageRange& own) {
  if (!samples.rois_of_image.empty()) return CountedSamplesOfImages(samples, own);
  const at::Tensor image = samples.rois.select(1, 0);
  const int64_t begin = (image < own.begin).sum().item<int64_t>();
  const int64_t count = (image < own.end).sum().item<int64_t>() - begin;
  RoiSamples part = TakeRows(samples, begin, count, own.begin);
  part.positives = (part.labels > 0).sum().item<int64_t>();
  return part;
}

absl::StatusOr<std::shared_ptr<FastRcnnHead>> FastRcnnHead::Create(
    const configs::HeadConfig& config, const configs::BackboneConfig& backbone,
    const std::vector<FeatureLevel>& levels, int64_t num_classes) {
  RCNN_RETURN_IF_ERROR(CheckHeadConfig(config));
  if (num_classes < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("num_classes is ", num_classes, "; a head needs at least 1"));
  }
  if (levels.size() > 1 && config.pool().has_roi_pool()) {
    return absl::InvalidArgumentError("head.pool.roi_pool pools from one map, not a pyramid");
  }
  RCNN_ASSIGN_OR_RETURN(const ops::BoxCoderOptions coder,
                        MakeBoxCoderOptions(config.box_coder(), "head.box_coder"));
  std::shared_ptr<FastRcnnHead> head(new FastRcnnHead(config, coder, levels, num_classes));
  RCNN_ASSIGN_OR_RETURN(head->box_loss_,
                        FindBoxLoss("head.loss.box_loss", config.loss().box_loss()));
  RCNN_ASSIGN_OR_RETURN(head->box_head_, MakeBoxHead(*head, config, backbone, levels.front()));
  Init init;
  init.kind = Init::kNormal;
  const int64_t features = head->box_head_->out_features(), outputs = num_classes + 1;
  init.stddev = 0.01;
  head->cls_score_ = AddLinear(*head, "cls_score", features, outputs, init);
  init.stddev = 0.001;
  head->bbox_pred_ = AddLinear(*head, "bbox_pred", features, 4 * outputs, init);
  head->cls_score_->KeepFloat32();
  head->bbox_pred_->KeepFloat32();
  return head;
}

FastRcnnHead::FastRcnnHead(const configs::HeadConfig& config, const ops::BoxCoderOptions& coder,
                           const std::vector<FeatureLevel>& levels, int64_t num_classes)
    : config_(config),
      coder_(coder),
      levels_(levels),
      num_classes_(num_classes),
      normalization_(register_module("box_normalization", std::make_shared<BoxNormalization>())) {
  if (config.targets().box_normalization() != configs::HeadTargetsConfig::FIXED) return;
  const auto& mean = config.targets().box_mean();
  const auto& std = config.targets().box_std();
  const auto rows = [&](const auto& row) {
    return at::tensor(at::ArrayRef<double>(row.data(), row.size()), at::kFloat)
        .repeat({num_classes + 1, 1});
  };
  SetBoxNormalization(rows(mean), rows(std));
}

at::Tensor FastRcnnHead::Pool(const std::vector<at::Tensor>& all_maps,
                              const at::Tensor& rois) const {
  TORCH_CHECK(all_maps.size() >= levels_.size(), "head: ", Counted(all_maps.size(), "map"), " for ",
              Counted(levels_.size(), "level"));
  const configs::RoiPoolingConfig& pool = config_.pool();
  const std::vector<at::Tensor> maps =
      !pool.has_roi_pool() && ReadsShortMaps(all_maps) ? all_maps : AsFloat32(all_maps);
  const double scale = 1.0 / static_cast<double>(levels_.front().stride);
  if (pool.has_roi_pool()) return ops::RoiPool(maps[0], rois, {pool.size(), pool.size(), scale});
  const configs::RoiAlignConfig& align = pool.roi_align();
  if (levels_.size() == 1) {
    return ops::RoiAlign(
        maps[0], rois,
        {pool.size(), pool.size(), scale, align.sampling_ratio(), align.half_pixel_centers()});
  }
  ops::MultilevelRoiAlignOptions options;
  options.pooled_height = options.pooled_width = pool.size();
  options.sampling_ratio = align.sampling_ratio();
  options.aligned = align.half_pixel_centers();
  options.min_level = 0;  // log2 of the stride, as the levels are numbered
  while (int64_t{1} << (options.min_level + 1) <= levels_.front().stride) ++options.min_level;
  for (const FeatureLevel& level : levels_) {
    options.spatial_scales.push_back(1.0 / static_cast<double>(level.stride));
  }
  return ops::MultilevelRoiAlign(at::TensorList(maps).slice(0, levels_.size()), rois, options);
}

at::Tensor FastRcnnHead::Pool(const BatchFeatures& maps, const at::Tensor& rois,
                              const std::vector<int64_t>& rois_of_image) const {
  const auto pool = [&](const FeatureMaps& part, const at::Tensor& own) {
    return Pool(part.levels, own);
  };
  if (rois_of_image.empty()) return PoolRois(maps, rois, pool);
  return PoolRois(maps, rois, rois_of_image, pool);
}

HeadOutput FastRcnnHead::Forward(const std::vector<at::Tensor>& maps, const at::Tensor& rois,
                                 const OptionalGenerator& generator,
                                 const at::Tensor& draw_rows) const {
  return Predict(Pool(maps, rois), generator, draw_rows);
}

HeadOutput FastRcnnHead::Forward(const BatchFeatures& maps, const at::Tensor& rois,
                                 const OptionalGenerator& generator, const at::Tensor& draw_rows,
                                 const std::vector<int64_t>& rois_of_image) const {
  // What draws, or is a part of something, needs all RoIs; so do gradients and norms in training.
  const bool is_plain = !at::GradMode::is_enabled() && !is_training() && !generator.has_value() &&
                        !draw_rows.defined() && rois_of_image.empty();
  if (is_plain && rois.is_cpu() && rois.dim() == 2 && rois.size(0) > RoisAtATime()) {
    const int64_t parts = (rois.size(0) + RoisAtATime() - 1) / RoisAtATime();
    return ForwardInParts(maps, rois, (rois.size(0) + parts - 1) / parts);
  }
  return Predict(Pool(maps, rois, rois_of_image), generator, draw_rows);
}

int64_t FastRcnnHead::RoisAtATime() const {
  const int64_t size = config_.pool().size();
  const int64_t bytes = levels_.front().channels * size * size * int64_t{sizeof(float)};
  return std::clamp(kPartBytes / bytes, kMinPartRois, kMaxPartRois);
}

HeadOutput FastRcnnHead::ForwardInParts(const BatchFeatures& maps, const at::Tensor& rois,
                                        int64_t count) const {
  std::vector<at::Tensor> logits, deltas;
  for (int64_t begin = 0; begin < rois.size(0); begin += count) {
    const at::Tensor some = rois.narrow(0, begin, std::min(count, rois.size(0) - begin));
    HeadOutput output = Predict(Pool(maps, some), c10::nullopt, {});
    logits.push_back(std::move(output.logits));
    deltas.push_back(std::move(output.deltas));
  }
  return {at::cat(logits), at::cat(deltas)};
}

HeadOutput FastRcnnHead::Predict(const at::Tensor& pooled, const OptionalGenerator& generator,
                                 const at::Tensor& draw_rows) const {
  const at::Tensor features = box_head_->Forward(pooled, generator, draw_rows);
  HeadOutput output = {cls_score_->Forward(features), bbox_pred_->Forward(features)};
  if (!is_training() && normalization_->is_set()) {
    const auto options = output.deltas.options();
    output.deltas = output.deltas * normalization_->std().flatten().to(options) +
                    normalization_->mean().flatten().to(options);
  }
  return output;
}

RoiSamples FastRcnnHead::Sample(const std::vector<at::Tensor>& proposals,
                                const GroundTruths& truths, at::Generator generator) const {
  at::NoGradGuard no_grad;
  CheckInputs(proposals, truths);
  const ops::UncheckedValues unchecked;
  const ops::BalancedSamplerOptions wanted = {config_.targets().rois_per_image(),
                                              config_.targets().positive_fraction()};
  const uint64_t key = DrawKey(std::move(generator), "rois");
  std::vector<at::Tensor> boxes, labels, targets, draw_rows;
  int64_t positives = 0;
  for (size_t b = 0; b < truths.size(); ++b) {
    const GroundTruth& truth = truths[b];
    const Candidates candidates =
        MakeCandidates(proposals[b], truth, config_.targets().add_ground_truth());
    const ops::Matches matches =
        ops::MatchBoxes(candidates.boxes, truth.boxes, MakeMatcherOptions(config_),
                        CrowdMask(truth), candidates.eligible);
    const ops::BalancedSample sample = ops::SampleImageByCounters(
        matches.labels, truth.image_id, key, wanted, proposals[b].size(0));
    const at::Tensor gt = matches.gt_index.index_select(0, sample.positive);
    const at::Tensor positive = candidates.boxes.index_select(0, sample.positive);
    boxes.push_back(at::cat({positive, candidates.boxes.index_select(0, sample.negative)}));
    draw_rows.push_back(MakeDrawRows(at::full({1}, truth.image_id, matches.labels.options()),
                                     boxes.back().size(0)));
    labels.push_back(at::cat({truth.labels.index_select(0, gt), at::zeros_like(sample.negative)}));
    targets.push_back(ops::EncodeBoxes(positive, truth.boxes.index_select(0, gt), coder_));
    targets.push_back(at::zeros({sample.negative.size(0), 4}, positive.options()));
    positives += sample.positive.size(0);
  }
  RoiSamples samples = {ops::RoisFromBoxes(boxes), at::cat(labels), at::cat(targets), positives};
  samples.draw_rows = at::cat(draw_rows);
  return samples;
}

// Candidates are the proposals, then the ground truth. A sample's rows are its positives, then its
// negatives, then rows that do not count.
RoiSamples FastRcnnHead::SampleCounted(const at::Tensor& proposals, const at::Tensor& counts,
                                       const CountedTruths& truths, at::Generator generator) const {
  at::NoGradGuard no_grad;
  const ops::UncheckedValues unchecked;
  TORCH_CHECK(proposals.size(0) == truths.counts.size(0), "head: proposals for ",
              Counted(proposals.size(0), "image"), ", but ground truth for ",
              truths.counts.size(0));
  const int64_t rows = config_.targets().rois_per_image();
  const at::Tensor candidates = at::cat({proposals, truths.boxes}, 1);
  const ops::Matches matches = ops::MatchBatch(
      candidates, truths.boxes, truths.counts, MakeMatcherOptions(config_), truths.is_crowd,
      CountingCandidates(proposals, counts, truths, config_.targets().add_ground_truth()));
  const ops::CountedSample sample =
      ops::SampleByCounters(matches.labels, truths.image_ids, DrawKey(std::move(generator), "rois"),
                            {rows, config_.targets().positive_fraction()}, proposals.size(1));
  const SampleRows chosen = JoinSigns(sample, rows);
  const at::Tensor boxes = RowsOfImages(candidates, chosen.rows);
  const at::Tensor gt = RowsOfImages(matches.gt_index, chosen.rows).clamp_min(0);
  const at::Tensor background = chosen.is_positive.logical_not();
  RoiSamples samples;
  samples.rois = WithImages(boxes.masked_fill(chosen.is_beyond.unsqueeze(2), 0));
  samples.labels = RowsOfImages(truths.labels, gt)
                       .masked_fill(background, 0)
                       .masked_fill(chosen.is_beyond, -1)
                       .flatten();
  samples.box_targets =
      ops::EncodeBoxes(boxes.flatten(0, 1), RowsOfImages(truths.boxes, gt).flatten(0, 1), coder_)
          .masked_fill(background.flatten().unsqueeze(1), 0);
  samples.draw_rows = MakeDrawRows(truths.image_ids, rows);
  samples.rois_of_image.assign(static_cast<size_t>(boxes.size(0)), rows);
  samples.unread_positives = sample.positive_count.sum();
  samples.unread_negatives = sample.negative_count.sum();
  return samples;
}

at::Tensor FastRcnnHead::CountedBoxLoss(const HeadOutput& output, const at::Tensor& labels,
                                        const at::Tensor& targets,
                                        const c10::optional<double>& normalizer) const {
  const at::Tensor other = labels.le(0).unsqueeze(1);
  const at::Tensor group = labels.clamp_min(0).view({-1, 1, 1}).expand({-1, 1, 4});
  const at::Tensor predictions =
      output.deltas.reshape({-1, num_classes_ + 1, 4}).gather(1, group).squeeze(1);
  const at::Tensor distance =
      (*box_loss_)(predictions.masked_fill(other, 0), targets.masked_fill(other, 0),
                   {config_.loss().smooth_l1_beta()}) *
      config_.loss().box_weight();
  if (normalizer) return distance / *normalizer;
  return distance / labels.ge(0).sum().clamp_min(1);
}

HeadLosses FastRcnnHead::CountedLosses(const HeadOutput& output, const RoiSamples& samples) const {
  const at::Tensor targets =
      normalization_->Normalize(samples.box_targets, samples.labels.clamp_min(0));
  ops::FastRcnnLossOptions options;
  options.box_weight = config_.loss().box_weight();
  options.beta = config_.loss().smooth_l1_beta();
  options.normalizer = CountedNormalizer(samples);
  const at::Tensor finite_logits = CheckFiniteOutput(output.logits, "logits of RoIs");
  const at::Tensor finite_deltas = CheckFiniteOutput(output.deltas, "deltas of RoIs");
  const ops::UncheckedValues unchecked;
  const ops::FastRcnnLosses losses =
      ops::SampledFastRcnnLoss(output.logits, output.deltas, samples.labels, targets, options);
  HeadLosses result = {losses.classification, losses.box};
  if (box_loss_ != nullptr) {
    result.box = CountedBoxLoss(output, samples.labels, targets, options.normalizer);
  }
  if (samples.unread_of.defined()) {
    result.classes = result.classes / samples.unread_of.clamp_min(1);
    result.box = result.box / samples.unread_of.clamp_min(1);
  }
  result.positives = samples.positives;
  result.negatives = samples.labels.size(0) - samples.positives;
  result.finite = BothFinite(finite_logits, finite_deltas);
  result.unread_positives = samples.unread_positives;
  result.unread_negatives = samples.unread_negatives;
  return result;
}

HeadLosses FastRcnnHead::Losses(const HeadOutput& output, const RoiSamples& samples) const {
  if (!samples.rois_of_image.empty()) return CountedLosses(output, samples);
  const at::Tensor targets = normalization_->Normalize(samples.box_targets, samples.labels);
  ops::FastRcnnLossOptions options;
  options.box_weight = config_.loss().box_weight();
  options.beta = config_.loss().smooth_l1_beta();
  options.normalizer = PartNormalizer(samples);
  if (box_loss_ != nullptr) {
    options.box_distance = [&](const at::Tensor& predictions, const at::Tensor& wanted) {
      return (*box_loss_)(predictions, wanted, {options.beta});
    };
  }
  const at::Tensor finite_logits = CheckFiniteOutput(output.logits, "logits of RoIs");
  const at::Tensor finite_deltas = CheckFiniteOutput(output.deltas, "deltas of RoIs");
  const ops::UncheckedValues unchecked;
  const ops::FastRcnnLosses losses =
      ops::FastRcnnLoss(output.logits, output.deltas, samples.labels, targets, options);
  return {losses.classification, losses.box, samples.positives,
          samples.labels.size(0) - samples.positives, BothFinite(finite_logits, finite_deltas)};
}

Detections FastRcnnHead::Detect(const HeadOutput& output, const at::Tensor& boxes,
                                const ops::ImageSize& image) const {
  return SelectDetections(output.logits, output.deltas, boxes, image, coder_, config_.detections());
}

std::vector<Detections> FastRcnnHead::DetectTogether(
    const HeadOutput& output, const at::Tensor& rois,
    const std::vector<DetectionFrame>& frames) const {
  return SelectDetectionsTogether(output.logits, output.deltas, rois, frames, coder_,
                                  config_.detections());
}

void FastRcnnHead::SetBoxNormalization(const at::Tensor& mean, const at::Tensor& std) {
  if (std.defined()) {
    const std::vector<int64_t> shape = {num_classes_ + 1, 4};
    TORCH_CHECK(mean.defined() && mean.sizes() == shape && std.sizes() == shape,
                "box normalisation: mean and std must be [", num_classes_ + 1, ", 4]");
    TORCH_CHECK((std.slice(0, 1) > 0).all().item<bool>(), "box normalisation: std must be > 0");
  }
  normalization_->Set(mean, std);
  if (!std.defined()) return;
  normalization_->mean()[0].zero_();  // background has no target
  normalization_->std()[0].fill_(1);
}

std::pair<at::Tensor, at::Tensor> FastRcnnHead::FoldedBoxPredictor() const {
  at::NoGradGuard no_grad;
  const at::Tensor weight = bbox_pred_->weight().detach(), bias = bbox_pred_->bias().detach();
  if (!normalization_->is_set()) return {weight, bias};
  const at::Tensor std = normalization_->std().flatten().to(weight);
  const at::Tensor mean = normalization_->mean().flatten().to(weight);
  return {weight * std.unsqueeze(1), bias * std + mean};
}

}  // namespace rcnn::detection

#include "rcnn/detection/fast_rcnn_head.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/check_range.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/detection/config_options.h"
#include "rcnn/detection/finite_output.h"
#include "rcnn/detection/make_backbone.h"
#include "rcnn/detection/pool_rois.h"
#include "rcnn/ops/balanced_sampler.h"
#include "rcnn/ops/check.h"
#include "rcnn/ops/fast_rcnn_loss.h"
#include "rcnn/ops/matcher.h"
#include "rcnn/ops/multilevel_roi_align.h"
#include "rcnn/ops/roi_align.h"
#include "rcnn/ops/roi_pool.h"
#include "rcnn/ops/rois.h"
#include "rcnn/ops/unchecked_values.h"

namespace rcnn::detection {
namespace {

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
                                                   shape.OutChannels(3), " channels, not one of ",
                                                   level.channels));
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
  TORCH_CHECK(proposals.size() == truths.size(), "head: proposals for ", proposals.size(),
              " images, but ground truth for ", truths.size());
  for (const at::Tensor& boxes : proposals) ops::CheckBoxes(boxes, "proposals");
  for (const GroundTruth& truth : truths) ops::CheckBoxes(truth.boxes, "ground truth");
}

// Maps are shorter under autocast; pooling is in float32.
std::vector<at::Tensor> AsFloat32(const std::vector<at::Tensor>& maps) {
  std::vector<at::Tensor> converted;
  for (const at::Tensor& map : maps) {
    converted.push_back(map.element_size() < 4 ? map.to(at::kFloat) : map);
  }
  return converted;
}

// Proposals of one image and, if wanted, its ground truth without crowds.
at::Tensor Candidates(const at::Tensor& proposals, const GroundTruth& truth, bool add_truth) {
  if (!add_truth) return proposals;
  const at::Tensor boxes =
      truth.is_crowd.defined()
          ? truth.boxes.index_select(0, truth.is_crowd.logical_not().nonzero().squeeze(1))
          : truth.boxes;
  return at::cat({proposals, boxes});
}

}  // namespace

RoiSamples SamplesOfImages(const RoiSamples& samples, const ImageRange& own) {
  const at::Tensor image = samples.rois.select(1, 0);
  const int64_t begin = (image < own.begin).sum().item<int64_t>();
  const int64_t count = (image < own.end).sum().item<int64_t>() - begin;
  RoiSamples part;
  part.rois = samples.rois.narrow(0, begin, count).clone();
  part.rois.select(1, 0).sub_(own.begin);
  part.labels = samples.labels.narrow(0, begin, count);
  part.box_targets = samples.box_targets.narrow(0, begin, count);
  part.positives = (part.labels > 0).sum().item<int64_t>();
  part.rows = BatchRows{begin, samples.rois.size(0)};
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
  TORCH_CHECK(all_maps.size() >= levels_.size(), "head: ", all_maps.size(), " maps for ",
              levels_.size(), " levels");
  const std::vector<at::Tensor> maps = AsFloat32(all_maps);
  const configs::RoiPoolingConfig& pool = config_.pool();
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

at::Tensor FastRcnnHead::Pool(const BatchFeatures& maps, const at::Tensor& rois) const {
  return PoolRois(maps, rois, [&](const FeatureMaps& part, const at::Tensor& own) {
    return Pool(part.levels, own);
  });
}

HeadOutput FastRcnnHead::Forward(const std::vector<at::Tensor>& maps, const at::Tensor& rois,
                                 const OptionalGenerator& generator,
                                 const OptionalRows& rows) const {
  return Predict(Pool(maps, rois), generator, rows);
}

HeadOutput FastRcnnHead::Forward(const BatchFeatures& maps, const at::Tensor& rois,
                                 const OptionalGenerator& generator,
                                 const OptionalRows& rows) const {
  return Predict(Pool(maps, rois), generator, rows);
}

HeadOutput FastRcnnHead::Predict(const at::Tensor& pooled, const OptionalGenerator& generator,
                                 const OptionalRows& rows) const {
  const at::Tensor features = box_head_->Forward(pooled, generator, rows);
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
  std::vector<at::Tensor> boxes, labels, targets;
  int64_t positives = 0;
  for (size_t b = 0; b < truths.size(); ++b) {
    const GroundTruth& truth = truths[b];
    const at::Tensor candidates =
        Candidates(proposals[b], truth, config_.targets().add_ground_truth());
    const ops::Matches matches =
        ops::MatchBoxes(candidates, truth.boxes, MakeMatcherOptions(config_), CrowdMask(truth));
    const ops::BalancedSample sample = ops::SampleBalanced(matches.labels, wanted, generator);
    const at::Tensor gt = matches.gt_index.index_select(0, sample.positive);
    const at::Tensor positive = candidates.index_select(0, sample.positive);
    boxes.push_back(at::cat({positive, candidates.index_select(0, sample.negative)}));
    labels.push_back(at::cat({truth.labels.index_select(0, gt), at::zeros_like(sample.negative)}));
    targets.push_back(ops::EncodeBoxes(positive, truth.boxes.index_select(0, gt), coder_));
    targets.push_back(at::zeros({sample.negative.size(0), 4}, positive.options()));
    positives += sample.positive.size(0);
  }
  return {ops::RoisFromBoxes(boxes), at::cat(labels), at::cat(targets), positives};
}

HeadLosses FastRcnnHead::Losses(const HeadOutput& output, const RoiSamples& samples) const {
  const at::Tensor targets = normalization_->Normalize(samples.box_targets, samples.labels);
  ops::FastRcnnLossOptions options;
  options.box_weight = config_.loss().box_weight();
  options.beta = config_.loss().smooth_l1_beta();
  if (samples.rows) options.normalizer = std::max<double>(1, static_cast<double>(samples.rows->of));
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

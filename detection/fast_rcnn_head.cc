#include "rcnn/detection/fast_rcnn_head.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/check_range.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/detection/config_options.h"
#include "rcnn/detection/make_backbone.h"
#include "rcnn/detection/pool_from_levels.h"
#include "rcnn/detection/pool_rois.h"
#include "rcnn/detection/roi_sampler.h"

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

}  // namespace

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

at::Tensor FastRcnnHead::Pool(const std::vector<at::Tensor>& maps, const at::Tensor& rois) const {
  return PoolFromLevels(maps, levels_, rois, config_.pool());
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
  return SampleRois(proposals, truths, std::move(generator), coder_, config_);
}

RoiSamples FastRcnnHead::SampleCounted(const at::Tensor& proposals, const at::Tensor& counts,
                                       const CountedTruths& truths, at::Generator generator) const {
  return SampleCountedRois(proposals, counts, truths, std::move(generator), coder_, config_);
}

HeadLosses FastRcnnHead::Losses(const HeadOutput& output, const RoiSamples& samples) const {
  return ComputeHeadLosses(output, samples, *normalization_, box_loss_, config_.loss());
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

#include "rcnn/detection/config_options.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "rcnn/base/check_range.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::detection {
namespace {

constexpr double kMax = 1e9;
constexpr double kMaxChannels = 1 << 20;

absl::Status CheckFour(const std::string& field, int size) {
  if (size == 4) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " has ", Counted(size, "number"), ", not 4"));
}

// `Targets` is RpnTargetsConfig or HeadTargetsConfig, in `field`.
template <typename Targets>
absl::Status CheckBoxNormalization(const Targets& targets, const std::string& field) {
  if (targets.box_normalization() != Targets::FIXED) return absl::OkStatus();
  RCNN_RETURN_IF_ERROR(CheckFour(field + "box_mean", targets.box_mean_size()));
  RCNN_RETURN_IF_ERROR(CheckFour(field + "box_std", targets.box_std_size()));
  for (const double mean : targets.box_mean()) {
    RCNN_RETURN_IF_ERROR(CheckRange(field + "box_mean", mean, -kMax, kMax));
  }
  for (const double std : targets.box_std()) {
    RCNN_RETURN_IF_ERROR(CheckRange(field + "box_std", std, 1e-6, kMax));
  }
  return absl::OkStatus();
}

absl::Status CheckFcHead(const configs::FcHeadConfig& config) {
  for (const int channels : config.conv_channels()) {
    RCNN_RETURN_IF_ERROR(CheckRange("head.fc.conv_channels", channels, 1, kMaxChannels));
    RCNN_RETURN_IF_ERROR(CheckNorm("head.fc.conv_norm", config.conv_norm(), channels));
  }
  for (const int channels : config.fc_channels()) {
    RCNN_RETURN_IF_ERROR(CheckRange("head.fc.fc_channels", channels, 1, kMaxChannels));
  }
  return CheckRange("head.fc.dropout", config.dropout(), 0, 0.999);
}

absl::Status CheckHeadTargets(const configs::HeadTargetsConfig& targets) {
  const std::string field = "head.targets.";
  RCNN_RETURN_IF_ERROR(CheckRange(field + "foreground_iou", targets.foreground_iou(), 1e-6, 1));
  RCNN_RETURN_IF_ERROR(CheckRange(field + "background_max_iou", targets.background_max_iou(), 0,
                                  targets.foreground_iou()));
  RCNN_RETURN_IF_ERROR(CheckRange(field + "background_min_iou", targets.background_min_iou(), 0,
                                  targets.background_max_iou()));
  RCNN_RETURN_IF_ERROR(CheckRange(field + "rois_per_image", targets.rois_per_image(), 1, kMax));
  RCNN_RETURN_IF_ERROR(CheckRange(field + "positive_fraction", targets.positive_fraction(), 0, 1));
  return CheckBoxNormalization(targets, field);
}

}  // namespace

absl::Status CheckProposalsConfig(const configs::ProposalsConfig& config,
                                  const std::string& field) {
  RCNN_RETURN_IF_ERROR(CheckRange(field + ".before_nms", config.before_nms(), 0, kMax));
  RCNN_RETURN_IF_ERROR(CheckRange(field + ".after_nms", config.after_nms(), 1, kMax));
  RCNN_RETURN_IF_ERROR(CheckRange(field + ".nms_iou", config.nms_iou(), 0, 1));
  return CheckRange(field + ".min_side_px", config.min_side_px(), 0, kMax);
}

absl::Status CheckDetectionsConfig(const configs::DetectionsConfig& config,
                                   const std::string& field) {
  RCNN_RETURN_IF_ERROR(CheckRange(field + ".min_score", config.min_score(), 0, 1));
  RCNN_RETURN_IF_ERROR(CheckRange(field + ".nms_iou", config.nms_iou(), 0, 1));
  RCNN_RETURN_IF_ERROR(CheckRange(field + ".voting_iou", config.voting_iou(), 0, 1));
  RCNN_RETURN_IF_ERROR(CheckRange(field + ".max_per_class", config.max_per_class(), 0, kMax));
  RCNN_RETURN_IF_ERROR(CheckRange(field + ".max_per_image", config.max_per_image(), 1, kMax));
  return CheckRange(field + ".min_side_px", config.min_side_px(), 0, kMax);
}

absl::StatusOr<ops::BoxCoderOptions> MakeBoxCoderOptions(const configs::BoxCoderConfig& config,
                                                         absl::string_view field) {
  ops::BoxCoderOptions options;
  if (config.weight_size() > 0) {
    RCNN_RETURN_IF_ERROR(CheckFour(absl::StrCat(field, ".weight"), config.weight_size()));
    for (int i = 0; i < 4; ++i) {
      RCNN_RETURN_IF_ERROR(
          CheckRange(absl::StrCat(field, ".weight"), config.weight(i), 1e-6, kMax));
      options.weights[i] = config.weight(i);
    }
  }
  RCNN_RETURN_IF_ERROR(
      CheckRange(absl::StrCat(field, ".max_log_scale"), config.max_log_scale(), 0, kMax));
  options.max_log_scale =
      config.max_log_scale() > 0 ? config.max_log_scale() : std::numeric_limits<double>::infinity();
  options.inclusive = config.inclusive_corners();
  options.exact_inverse = !config.decode_one_pixel_larger();
  return options;
}

absl::Status CheckNorm(absl::string_view field, const configs::NormConfig& config,
                       int64_t channels) {
  // Frozen statistics allow an epsilon of 0; a group norm does not, as a group may be constant.
  constexpr double kMin = 1e-12;
  RCNN_RETURN_IF_ERROR(CheckRange(absl::StrCat(field, ".frozen_batch_norm.epsilon"),
                                  config.frozen_batch_norm().epsilon(), 0, 1));
  RCNN_RETURN_IF_ERROR(CheckRange(absl::StrCat(field, ".batch_norm.epsilon"),
                                  config.batch_norm().epsilon(), kMin, 1));
  RCNN_RETURN_IF_ERROR(CheckRange(absl::StrCat(field, ".batch_norm.momentum"),
                                  config.batch_norm().momentum(), 0, 1));
  RCNN_RETURN_IF_ERROR(CheckRange(absl::StrCat(field, ".group_norm.epsilon"),
                                  config.group_norm().epsilon(), kMin, 1));
  const int64_t groups = config.group_norm().groups();
  if (!config.has_group_norm() || (groups >= 1 && channels % groups == 0)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(field, ".group_norm.groups is ", groups,
                                                 ", which does not divide ",
                                                 Counted(channels, "channel")));
}

absl::Status CheckFpnConfig(const configs::FpnConfig& config) {
  RCNN_RETURN_IF_ERROR(CheckRange("fpn.channels", config.channels(), 1, kMaxChannels));
  return CheckNorm("fpn.norm", config.norm(), config.channels());
}

absl::Status CheckRpnConfig(const configs::RpnConfig& config) {
  RCNN_RETURN_IF_ERROR(CheckRange("rpn.channels", config.channels(), 0, kMaxChannels));
  RCNN_RETURN_IF_ERROR(CheckRange("rpn.num_convs", config.num_convs(), 1, 64));
  const configs::RpnTargetsConfig& targets = config.targets();
  const std::string field = "rpn.targets.";
  RCNN_RETURN_IF_ERROR(CheckRange(field + "foreground_iou", targets.foreground_iou(), 1e-6, 1));
  RCNN_RETURN_IF_ERROR(
      CheckRange(field + "background_iou", targets.background_iou(), 0, targets.foreground_iou()));
  RCNN_RETURN_IF_ERROR(
      CheckRange(field + "anchors_per_image", targets.anchors_per_image(), 1, kMax));
  RCNN_RETURN_IF_ERROR(CheckRange(field + "positive_fraction", targets.positive_fraction(), 0, 1));
  RCNN_RETURN_IF_ERROR(CheckRange(field + "max_overhang_px", targets.max_overhang_px(), 0, kMax));
  RCNN_RETURN_IF_ERROR(CheckBoxNormalization(targets, field));
  RCNN_RETURN_IF_ERROR(
      CheckRange("rpn.loss.smooth_l1_beta", config.loss().smooth_l1_beta(), 0, kMax));
  RCNN_RETURN_IF_ERROR(CheckRange("rpn.loss.box_weight", config.loss().box_weight(), 0, kMax));
  RCNN_RETURN_IF_ERROR(CheckProposalsConfig(config.train_proposals(), "rpn.train_proposals"));
  return CheckProposalsConfig(config.test_proposals(), "rpn.test_proposals");
}

absl::Status CheckHeadConfig(const configs::HeadConfig& config) {
  RCNN_RETURN_IF_ERROR(CheckRange("head.pool.size", config.pool().size(), 1, 64));
  RCNN_RETURN_IF_ERROR(CheckRange("head.pool.roi_align.sampling_ratio",
                                  config.pool().roi_align().sampling_ratio(), 0, 64));
  RCNN_RETURN_IF_ERROR(CheckFcHead(config.fc()));
  RCNN_RETURN_IF_ERROR(CheckHeadTargets(config.targets()));
  RCNN_RETURN_IF_ERROR(
      CheckRange("head.loss.smooth_l1_beta", config.loss().smooth_l1_beta(), 0, kMax));
  RCNN_RETURN_IF_ERROR(CheckRange("head.loss.box_weight", config.loss().box_weight(), 0, kMax));
  return CheckDetectionsConfig(config.detections(), "head.detections");
}

}  // namespace rcnn::detection

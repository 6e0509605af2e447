#include "rcnn/detection/rpn.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/detection/config_options.h"
#include "rcnn/detection/rpn_output.h"
#include "rcnn/ops/unchecked_values.h"

namespace rcnn::detection {
namespace {

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
  TORCH_CHECK(static_cast<int64_t>(maps.size()) == num_levels_,
              "rpn: ", Counted(maps.size(), "map"), " for ", Counted(num_levels_, "level"));
}

RpnOutput Rpn::Forward(const std::vector<at::Tensor>& maps, int64_t input_height,
                       int64_t input_width) const {
  CheckMaps(maps);
  std::vector<std::pair<at::Tensor, at::Tensor>> outputs;
  for (const at::Tensor& map : maps) outputs.push_back(RpnHead::Forward(map));
  return AddAnchors(outputs, maps, input_height, input_width);
}

RpnOutput Rpn::AddAnchors(const std::vector<std::pair<at::Tensor, at::Tensor>>& outputs,
                          const std::vector<at::Tensor>& maps, int64_t input_height,
                          int64_t input_width) const {
  CheckMaps(maps);
  TORCH_CHECK(outputs.size() == maps.size(), "rpn: ", Counted(outputs.size(), "output"), " for ",
              Counted(maps.size(), "map"));
  const std::vector<at::Tensor> anchors = anchors_.Generate(maps, input_height, input_width);
  RpnOutput output;
  for (size_t i = 0; i < maps.size(); ++i) {
    output.push_back({outputs[i].first, outputs[i].second, anchors[i]});
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
  TORCH_CHECK(parts.size() == sizes.size(), "rpn: sizes of ", Counted(sizes.size(), "image"),
              " for maps of ", count);
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

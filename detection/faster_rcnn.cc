#include "rcnn/detection/faster_rcnn.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/exception_status.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/detection/config_options.h"
#include "rcnn/detection/counted_truths.h"
#include "rcnn/detection/image_detections.h"
#include "rcnn/detection/make_backbone.h"
#include "rcnn/detection/module_parts.h"
#include "rcnn/detection/weights/module_state.h"
#include "rcnn/ops/counted_proposals.h"

namespace rcnn::detection {
namespace {

// The boxes [P_b, 4] of each image; `proposals` lists those of all images in turn.
std::vector<at::Tensor> BoxesOfEach(const ops::Proposals& proposals) {
  std::vector<at::Tensor> boxes;
  const at::Tensor counts = proposals.counts.cpu();
  int64_t begin = 0;
  for (int64_t b = 0; b < counts.size(0); ++b) {
    const int64_t count = counts[b].item<int64_t>();
    boxes.push_back(proposals.rois.narrow(0, begin, count).slice(1, 1));
    begin += count;
  }
  return boxes;
}

// The same, from proposals in tensors of a fixed size.
std::vector<at::Tensor> BoxesOfEach(const ops::CountedProposals& proposals) {
  std::vector<at::Tensor> boxes;
  const at::Tensor counts = proposals.counts.cpu();
  for (int64_t b = 0; b < counts.size(0); ++b) {
    boxes.push_back(proposals.rois[b].slice(0, 0, counts[b].item<int64_t>()).slice(1, 1));
  }
  return boxes;
}

// The RoIs of all images, K of each, [B K, 5]; those beyond an image's count are of image -1.
at::Tensor CountedRois(const ops::CountedProposals& proposals) {
  const at::Tensor ranks = at::arange(proposals.rois.size(1), proposals.counts.options());
  const at::Tensor is_beyond = ranks.unsqueeze(0).ge(proposals.counts.unsqueeze(1));
  const at::Tensor rois = proposals.rois.clone();
  rois.select(2, 0).masked_fill_(is_beyond, -1);
  return rois.flatten(0, 1);
}

// One entry without maps for each part of `images`, with the part's size in pixels.
BatchFeatures WithoutMaps(const BatchMap& images) {
  BatchFeatures sizes;
  for (const at::Tensor& part : images.parts) {
    // The backbone rejects other shapes.
    const bool is_image = part.dim() == 4;
    sizes.parts.push_back({{}, is_image ? part.size(2) : 0, is_image ? part.size(3) : 0});
  }
  return sizes;
}

// Adds the maps of `levels`, each of which has one level of all parts, to the parts of `maps`.
BatchFeatures PartByPart(BatchFeatures maps, const std::vector<BatchMap>& levels) {
  for (size_t p = 0; p < maps.parts.size(); ++p) {
    for (const BatchMap& level : levels) maps.parts[p].levels.push_back(level.parts[p]);
  }
  return maps;
}

const configs::ProposalsConfig& OwnLimits(const Rpn& rpn) {
  return rpn.is_training() ? rpn.config().train_proposals() : rpn.config().test_proposals();
}

InputSizes OwnSizes(const InputSizes& sizes, const OptionalRange& own) {
  if (!own) return sizes;
  return InputSizes(sizes.begin() + own->begin, sizes.begin() + own->end);
}

// Empty on the CPU, where `finite` is undefined (finite_output.h).
std::vector<std::pair<std::string, at::Tensor>> NamedFinite(const char* name,
                                                            const at::Tensor& finite) {
  if (!finite.defined()) return {};
  return {{name, finite}};
}

// Adds the numbers of positive and negative samples of the RPN or the head: as integers, or as
// tensors that have not been read from the device.
template <typename PartLosses>
void AddCounts(const std::string& of, const PartLosses& losses, Losses& named) {
  const std::string positive = of + "_positive", negative = of + "_negative";
  if (losses.unread_positives.defined()) {
    named.unread_counts = {{positive, losses.unread_positives},
                           {negative, losses.unread_negatives}};
  } else {
    named.counts = {{positive, losses.positives}, {negative, losses.negatives}};
  }
}

// The losses of the RPN or the head with their names.
Losses Named(const RpnLosses& losses) {
  Losses named;
  named.parts = {{"rpn_objectness", losses.objectness}, {"rpn_box", losses.box}};
  named.finite = NamedFinite("rpn_output", losses.finite);
  AddCounts("anchors", losses, named);
  return named;
}

Losses Named(const HeadLosses& losses) {
  Losses named;
  named.parts = {{"head_classes", losses.classes}, {"head_box", losses.box}};
  named.finite = NamedFinite("head_output", losses.finite);
  AddCounts("rois", losses, named);
  return named;
}

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

// Parameters and the buffers that are saved.
NamedTensors TensorsToSave(const torch::nn::Module& model) {
  NamedTensors state;
  for (const auto& item : model.named_parameters()) {
    if (item.value().defined()) state.emplace_back(item.key(), item.value().detach());
  }
  for (const auto& item : model.named_buffers()) {
    if (!item.value().defined() || !weights::IsSavedBuffer(item.key())) continue;
    state.emplace_back(item.key(), item.value());
  }
  return state;
}

// `folded`: the weight and bias of the part's box predictor.
void ReplaceBoxPredictor(const std::string& part, const std::pair<at::Tensor, at::Tensor>& folded,
                         NamedTensors& state) {
  for (auto& [name, tensor] : state) {
    if (name == part + ".bbox_pred.weight") tensor = folded.first;
    if (name == part + ".bbox_pred.bias") tensor = folded.second;
  }
}

}  // namespace

absl::StatusOr<std::shared_ptr<FasterRcnn>> FasterRcnn::Create(const configs::ModelConfig& config,
                                                               int64_t num_classes) {
  const auto create = [&]() -> absl::StatusOr<std::shared_ptr<FasterRcnn>> {
    std::shared_ptr<FasterRcnn> model(new FasterRcnn());
    RCNN_RETURN_IF_ERROR(model->AddParts(config, num_classes));
    return model;
  };
  return CatchExceptions(create, absl::StatusCode::kInvalidArgument);
}

absl::Status FasterRcnn::AddParts(const configs::ModelConfig& config, int64_t num_classes) {
  config_ = config;
  RCNN_ASSIGN_OR_RETURN(backbone_, MakeBackbone(config.backbone(), config.has_fpn()));
  register_module("backbone", backbone_);
  if (config.has_fpn()) RCNN_RETURN_IF_ERROR(AddFpn(config.fpn()));
  if (config.has_rpn()) {
    RCNN_ASSIGN_OR_RETURN(rpn_, Rpn::Create(config.rpn(), MapLevels()));
    register_module("rpn", rpn_);
  }
  if (config.has_head()) {
    RCNN_ASSIGN_OR_RETURN(
        head_, FastRcnnHead::Create(config.head(), config.backbone(), RoiLevels(), num_classes));
    register_module("head", head_);
  }
  return AddBranches(num_classes);
}

absl::Status FasterRcnn::AddFpn(const configs::FpnConfig& config) {
  RCNN_RETURN_IF_ERROR(CheckFpnConfig(config));
  const FpnOptions options = {config.channels(), ReadNormOptions(config.norm()),
                              config.last_level_max_pool()};
  fpn_ = register_module("fpn", std::make_shared<Fpn>(backbone_->levels(), options));
  return absl::OkStatus();
}

std::vector<FeatureLevel> FasterRcnn::MapLevels() const {
  return fpn_ == nullptr ? backbone_->levels() : fpn_->levels();
}

std::vector<FeatureLevel> FasterRcnn::RoiLevels() const {
  std::vector<FeatureLevel> levels = MapLevels();
  if (fpn_ != nullptr) levels.resize(static_cast<size_t>(fpn_->num_roi_levels()));
  return levels;
}

absl::Status FasterRcnn::AddBranches(int64_t num_classes) {
  const std::vector<FeatureLevel> levels = RoiLevels();
  for (const configs::BranchConfig& config : config_.branch()) {
    if (head_ == nullptr) return absl::InvalidArgumentError("a branch needs a head");
    if (named_children().contains(config.name())) {
      return absl::InvalidArgumentError(
          absl::StrCat("branch.name '", config.name(), "' is the name of another part"));
    }
    RCNN_ASSIGN_OR_RETURN(std::shared_ptr<RoiBranch> branch,
                          MakeRoiBranch({config, levels, num_classes}));
    branches_.emplace_back(config.name(), register_module(config.name(), std::move(branch)));
  }
  return absl::OkStatus();
}

FeatureMaps FasterRcnn::Features(const at::Tensor& images) const {
  return Features(BatchMap(images)).parts.front();
}

BatchFeatures FasterRcnn::Features(BatchMap images) const {
  BatchFeatures maps = WithoutMaps(images);
  std::vector<BatchMap> levels;
  {
    const at::AutoGradMode mode(at::GradMode::is_enabled() && !IsFrozen(*backbone_));
    levels = backbone_->Forward(std::move(images));
  }
  if (fpn_ == nullptr) return PartByPart(std::move(maps), levels);
  const at::AutoGradMode mode(at::GradMode::is_enabled() &&
                              !(IsFrozen(*backbone_) && IsFrozen(*fpn_)));
  return PartByPart(std::move(maps), fpn_->Forward(std::move(levels)));
}

NetworkOutput FasterRcnn::ComputeNetwork(BatchMap images) const {
  NetworkOutput network;
  network.maps = Features(std::move(images));
  if (rpn_ != nullptr) network.rpn = rpn_->ForwardParts(network.maps);
  return network;
}

Losses FasterRcnn::ComputeLosses(const BatchMap& images, const TrainingTargets& targets,
                                 at::Generator generator) const {
  if (targets.counted) return ComputeLosses(ComputeNetwork(images), targets, std::move(generator));
  JointRpnPass pass = ComputeJointRpn(images, targets, generator);
  return AddHeadLosses(std::move(pass), targets, std::move(generator));
}

Losses FasterRcnn::ComputeLosses(NetworkOutput network, const TrainingTargets& targets,
                                 at::Generator generator) const {
  if (targets.counted) return ComputeCountedLosses(network, targets, std::move(generator));
  JointRpnPass pass = ComputeJointRpn(std::move(network), targets, generator);
  return AddHeadLosses(std::move(pass), targets, std::move(generator));
}

Losses FasterRcnn::AddHeadLosses(JointRpnPass pass, const TrainingTargets& targets,
                                 at::Generator generator) const {
  pass.losses.Append(
      ComputeHeadLosses(pass.maps, pass.proposals, targets.truths, std::move(generator)));
  return std::move(pass.losses);
}

void FasterRcnn::CheckIsJoint() const {
  TORCH_CHECK(rpn_ != nullptr && head_ != nullptr, "joint training needs an rpn and a head");
}

Losses FasterRcnn::ComputeCountedLosses(const NetworkOutput& network,
                                        const TrainingTargets& targets,
                                        at::Generator generator) const {
  CheckIsJoint();
  const CountedTruths& truths = *targets.counted;
  Losses losses = Named(rpn_->Losses(network.rpn, targets, generator));
  const ops::CountedProposals proposals =
      rpn_->ProposeCounted(network.rpn, truths.image_info, OwnLimits(*rpn_));
  const RoiSamples samples =
      head_->SampleCounted(proposals.rois.slice(2, 1), proposals.counts, truths, generator);
  losses.Append(ComputeHeadLosses(network.maps, samples, targets.truths, std::move(generator)));
  return losses;
}

JointRpnPass FasterRcnn::ComputeJointRpn(const BatchMap& images, const TrainingTargets& targets,
                                         at::Generator generator, const OptionalRange& own) const {
  if (targets.counted) {
    return ComputeJointRpn(ComputeNetwork(images), targets, std::move(generator), own);
  }
  CheckIsJoint();
  JointRpnPass pass;
  pass.maps = Features(images);
  const RpnPass rpn = rpn_->ForwardWithLosses(pass.maps, targets, std::move(generator), own);
  pass.losses = Named(rpn.losses);
  pass.proposals =
      BoxesOfEach(rpn_->Propose(rpn.parts, OwnSizes(targets.sizes, own), OwnLimits(*rpn_)));
  return pass;
}

JointRpnPass FasterRcnn::ComputeJointRpn(NetworkOutput network, const TrainingTargets& targets,
                                         at::Generator generator, const OptionalRange& own) const {
  CheckIsJoint();
  JointRpnPass pass;
  pass.losses = Named(rpn_->Losses(network.rpn, targets, std::move(generator), own));
  pass.maps = std::move(network.maps);
  if (targets.counted) {
    ProposeCounted(network.rpn, targets, own, pass);
  } else {
    pass.proposals =
        BoxesOfEach(rpn_->Propose(network.rpn, OwnSizes(targets.sizes, own), OwnLimits(*rpn_)));
  }
  return pass;
}

void FasterRcnn::ProposeCounted(const std::vector<RpnOutput>& parts, const TrainingTargets& targets,
                                const OptionalRange& own, JointRpnPass& pass) const {
  const at::Tensor& sizes = targets.counted->image_info;
  const ops::CountedProposals found = rpn_->ProposeCounted(
      parts, own ? sizes.slice(0, own->begin, own->end) : sizes, OwnLimits(*rpn_));
  pass.proposals = BoxesOfEach(found);
  pass.proposal_capacity = found.rois.size(1);
}

Losses FasterRcnn::ComputeRpnLosses(const BatchFeatures& maps, const TrainingTargets& targets,
                                    at::Generator generator, const OptionalRange& own) const {
  TORCH_CHECK(rpn_ != nullptr, "this model has no rpn");
  return Named(rpn_->LossesAtSamples(maps, targets, std::move(generator), own));
}

Losses FasterRcnn::ComputeRpnLosses(const NetworkOutput& network, const TrainingTargets& targets,
                                    at::Generator generator, const OptionalRange& own) const {
  TORCH_CHECK(rpn_ != nullptr, "this model has no rpn");
  return Named(rpn_->Losses(network.rpn, targets, std::move(generator), own));
}

Losses FasterRcnn::ComputeHeadLosses(const BatchFeatures& maps,
                                     const std::vector<at::Tensor>& proposals,
                                     const GroundTruths& truths, at::Generator generator) const {
  TORCH_CHECK(head_ != nullptr, "this model has no head");
  return ComputeHeadLosses(maps, head_->Sample(proposals, truths, generator), truths, generator);
}

Losses FasterRcnn::ComputeHeadLosses(const BatchFeatures& maps, const RoiSamples& samples,
                                     const GroundTruths& truths, at::Generator generator) const {
  TORCH_CHECK(head_ != nullptr, "this model has no head");
  TORCH_CHECK(branches_.empty() || !samples.rois_of_batch,
              "a branch cannot compute a part of a batch");
  TORCH_CHECK(branches_.empty() || !samples.unread_positives.defined(),
              "a branch cannot be trained on samples of a fixed size");
  const HeadOutput output =
      head_->Forward(maps, samples.rois, generator, samples.draw_rows, samples.rois_of_image);
  Losses losses = Named(head_->Losses(output, samples));
  for (const auto& [name, branch] : branches_) {
    losses.Append(branch->ComputeLosses(maps, samples, truths, generator));
  }
  return losses;
}

ops::Proposals FasterRcnn::Propose(const BatchMap& images, const InputSizes& sizes) const {
  TORCH_CHECK(rpn_ != nullptr, "this model has no rpn");
  return Propose(images, sizes, OwnLimits(*rpn_));
}

ops::Proposals FasterRcnn::Propose(const BatchMap& images, const InputSizes& sizes,
                                   const configs::ProposalsConfig& config) const {
  at::NoGradGuard no_grad;
  return Propose(Features(images), sizes, config);
}

ops::Proposals FasterRcnn::Propose(const BatchFeatures& maps, const InputSizes& sizes,
                                   const configs::ProposalsConfig& config) const {
  TORCH_CHECK(rpn_ != nullptr, "this model has no rpn");
  at::NoGradGuard no_grad;
  return rpn_->Propose(rpn_->ForwardParts(maps), sizes, config);
}

std::vector<Detections> FasterRcnn::Detect(
    BatchMap images, const InputSizes& sizes,
    const std::vector<ops::ImageSize>& original_sizes) const {
  TORCH_CHECK(rpn_ != nullptr, "this model has no rpn");
  at::NoGradGuard no_grad;
  return Detect(ComputeNetwork(std::move(images)), sizes, original_sizes);
}

void FasterRcnn::CheckDetects(const InputSizes& sizes,
                              const std::vector<ops::ImageSize>& original_sizes) const {
  TORCH_CHECK(head_ != nullptr, "this model has no head");
  TORCH_CHECK(!head_->is_training(), "the head is training");
  TORCH_CHECK(sizes.size() == original_sizes.size(), "original_sizes of ",
              Counted(original_sizes.size(), "image"), " for a batch of ", sizes.size());
}

std::vector<Detections> FasterRcnn::Detect(
    NetworkOutput network, const InputSizes& sizes,
    const std::vector<ops::ImageSize>& original_sizes) const {
  TORCH_CHECK(rpn_ != nullptr, "this model has no rpn");
  CheckDetects(sizes, original_sizes);
  TORCH_CHECK(!network.rpn.empty(), "there is no image");
  at::NoGradGuard no_grad;
  const at::Device device = network.rpn.front().front().logits.device();
  const auto images = static_cast<int64_t>(sizes.size());
  if (!SelectsOnDevice(*head_, device, images * OwnLimits(*rpn_).after_nms())) {
    const at::Tensor rois = rpn_->Propose(network.rpn, sizes, OwnLimits(*rpn_)).rois;
    network.rpn.clear();
    return Detect(network.maps, rois, sizes, original_sizes);
  }
  const ops::CountedProposals proposals =
      rpn_->ProposeCounted(network.rpn, ImageInfo(sizes, device), OwnLimits(*rpn_));
  TORCH_CHECK(proposals.rois.size(0) == images, "sizes of ", Counted(images, "image"),
              " for a batch of ", proposals.rois.size(0));
  network.rpn.clear();
  // The head computes the rows beyond the counts too: zeros, which no image's detections come from.
  const std::vector<int64_t> rois_of_image(sizes.size(), proposals.rois.size(1));
  const HeadOutput output =
      head_->Forward(network.maps, proposals.rois.flatten(0, 1), c10::nullopt, {}, rois_of_image);
  return SelectEach(network.maps, output, CountedRois(proposals), sizes, original_sizes);
}

std::vector<Detections> FasterRcnn::Detect(
    const BatchFeatures& maps, const at::Tensor& rois, const InputSizes& sizes,
    const std::vector<ops::ImageSize>& original_sizes) const {
  CheckDetects(sizes, original_sizes);
  at::NoGradGuard no_grad;
  return SelectEach(maps, head_->Forward(maps, rois), rois, sizes, original_sizes);
}

std::vector<Detections> FasterRcnn::SelectEach(
    const BatchFeatures& maps, const HeadOutput& output, const at::Tensor& rois,
    const InputSizes& sizes, const std::vector<ops::ImageSize>& original_sizes) const {
  std::vector<Detections> detections = DetectEach(*head_, output, rois, sizes, original_sizes);
  for (size_t b = 0; b < sizes.size(); ++b) {
    for (const auto& [name, branch] : branches_) {
      branch->Detect(maps, static_cast<int64_t>(b),
                     ToInputPixels(detections[b].boxes, sizes[b], original_sizes[b]),
                     detections[b]);
    }
  }
  return detections;
}

NamedTensors FasterRcnn::StateToSave() const {
  NamedTensors state = TensorsToSave(*this);
  if (rpn_ != nullptr) ReplaceBoxPredictor("rpn", rpn_->FoldedBoxPredictor(), state);
  if (head_ != nullptr) ReplaceBoxPredictor("head", head_->FoldedBoxPredictor(), state);
  return state;
}

}  // namespace rcnn::detection

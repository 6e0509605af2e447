// The whole detector as one module: backbone, feature pyramid, RPN and Fast R-CNN
// head on shared features.
//
// Trains jointly or, in alternating training, part by part, and detects. Parts may
// be missing: without a head it only proposes, without an RPN it detects on given
// proposals. The parts are the modules "backbone", "fpn", "rpn" and "head"; they
// can be replaced, and frozen by name (module_parts.h). detector.h wraps it for
// images.
//
// Images of a batch may differ in size: each is computed in its own, as if it were alone
// (batch_map.h), so that its losses and detections do not depend on its neighbours. A tensor
// [B, 3, H, W] is a batch of images of one size; CutImages cuts a padded one.
//
// Shapes: B images of H x W pixels.
//
// Source: Ren et al., arXiv:1506.01497v3. Joint training is the paper's
// "approximate" one: no gradient flows through the proposals' coordinates.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(auto model, FasterRcnn::Create(config, /*num_classes=*/20));
//   ResetParameters(*model, generator);
//   Losses losses = model->ComputeLosses(images, {sizes, truths}, generator);
//   losses.Total().backward();

#ifndef RCNN_DETECTION_FASTER_RCNN_H_
#define RCNN_DETECTION_FASTER_RCNN_H_

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/detection/backbone.h"
#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/fast_rcnn_head.h"
#include "rcnn/detection/fpn.h"
#include "rcnn/detection/losses.h"
#include "rcnn/detection/roi_branch.h"
#include "rcnn/detection/rpn.h"
#include "rcnn/detection/targets.h"

namespace rcnn::detection {

// What the network computes before any box is chosen.
struct NetworkOutput {
  BatchFeatures maps;
  std::vector<RpnOutput> rpn;  // of each part; empty without an RPN
};

// The first half of a step of joint training: all that comes before RoIs are sampled.
struct JointRpnPass {
  BatchFeatures maps;
  Losses losses;                      // of the RPN
  std::vector<at::Tensor> proposals;  // [P_b, 4] of each image that has maps
  // With TrainingTargets::counted: the most proposals that one of these images can have.
  int64_t proposal_capacity = 0;
};

class FasterRcnn : public torch::nn::Module {
 public:
  // Weights are zero until ResetParameters (layers.h) or an import. `num_classes`
  // excludes background and is ignored without a head. kInvalidArgument naming the
  // wrong field; kResourceExhausted if memory runs out.
  static absl::StatusOr<std::shared_ptr<FasterRcnn>> Create(const configs::ModelConfig& config,
                                                            int64_t num_classes);

  // The maps for RPN and head of normalised images [B, 3, H, W] float32. A backbone and
  // pyramid without trained parameters record no graph.
  FeatureMaps Features(const at::Tensor& images) const;
  // Images that are moved in may be freed after the first layer; in Detect as well.
  BatchFeatures Features(BatchMap images) const;

  // Features, and what an RPN computes from them (Rpn::ForwardParts).
  NetworkOutput ComputeNetwork(BatchMap images) const;

  // The losses of RPN, head and branches on the RPN's own proposals. Random draws come from
  // `generator`, in a fixed order. On the CPU throws c10::Error on invalid ground truth and on
  // outputs of RPN or head that are not finite; on another device such outputs clear
  // Losses::finite. The same holds for the functions below. With targets.counted nothing waits for
  // a device, and branches throw c10::Error. On the CPU the gradients of the RPN are computed at
  // the cells of its samples alone (Rpn::ForwardWithLosses).
  Losses ComputeLosses(const BatchMap& images, const TrainingTargets& targets,
                       at::Generator generator) const;
  // The same from the network's output, up to rounding.
  Losses ComputeLosses(NetworkOutput network, const TrainingTargets& targets,
                       at::Generator generator) const;

  // The first half of ComputeLosses; the second is ComputeHeadLosses on proposals of the whole
  // batch. With `own`, `images` are those alone, while the targets are those of the whole batch.
  // Waits for a device, as the numbers of proposals are read.
  JointRpnPass ComputeJointRpn(const BatchMap& images, const TrainingTargets& targets,
                               at::Generator generator,
                               const OptionalRange& own = c10::nullopt) const;
  // The same from the network's output, up to rounding.
  JointRpnPass ComputeJointRpn(NetworkOutput network, const TrainingTargets& targets,
                               at::Generator generator,
                               const OptionalRange& own = c10::nullopt) const;

  // The losses of the RPN alone, from precomputed maps (Rpn::LossesAtSamples). With `own`, the maps
  // are those of these images alone.
  Losses ComputeRpnLosses(const BatchFeatures& maps, const TrainingTargets& targets,
                          at::Generator generator, const OptionalRange& own = c10::nullopt) const;
  // The same from the RPN's output, which has been computed at all cells (Rpn::Losses).
  Losses ComputeRpnLosses(const NetworkOutput& network, const TrainingTargets& targets,
                          at::Generator generator, const OptionalRange& own = c10::nullopt) const;
  // The losses of head and branches, on proposals [P_b, 4] of each image in pixels of the
  // input, or on RoIs that the head has drawn from them. Branches cannot compute a part of a batch
  // (RoiSamples::rois_of_batch): c10::Error.
  Losses ComputeHeadLosses(const BatchFeatures& maps, const std::vector<at::Tensor>& proposals,
                           const GroundTruths& truths, at::Generator generator) const;
  Losses ComputeHeadLosses(const BatchFeatures& maps, const RoiSamples& samples,
                           const GroundTruths& truths, at::Generator generator) const;

  // Proposals in pixels of the input, without gradients. `config` replaces the RPN's own
  // limits.
  ops::Proposals Propose(const BatchMap& images, const InputSizes& sizes) const;
  ops::Proposals Propose(const BatchMap& images, const InputSizes& sizes,
                         const configs::ProposalsConfig& config) const;
  // The same from precomputed maps.
  ops::Proposals Propose(const BatchFeatures& maps, const InputSizes& sizes,
                         const configs::ProposalsConfig& config) const;

  // Detections of each image in pixels of the stored image, whose sizes are `original_sizes`.
  // Throws c10::Error if an RPN or a head is missing, if the head is training(), or if the numbers
  // of sizes differ. Thread-safe. Waits for a device once, to copy the detections, unless they are
  // too many for it, or vote (DetectionsConfig.voting_iou), or a value is not finite.
  std::vector<Detections> Detect(BatchMap images, const InputSizes& sizes,
                                 const std::vector<ops::ImageSize>& original_sizes) const;
  // The same from the network's output.
  std::vector<Detections> Detect(NetworkOutput network, const InputSizes& sizes,
                                 const std::vector<ops::ImageSize>& original_sizes) const;
  // The same on given RoIs [R, 5], in pixels of the input.
  std::vector<Detections> Detect(const BatchFeatures& maps, const at::Tensor& rois,
                                 const InputSizes& sizes,
                                 const std::vector<ops::ImageSize>& original_sizes) const;

  // The parts; null if missing.
  const std::shared_ptr<Backbone>& backbone() const { return backbone_; }
  const std::shared_ptr<Fpn>& fpn() const { return fpn_; }
  const std::shared_ptr<Rpn>& rpn() const { return rpn_; }
  const std::shared_ptr<FastRcnnHead>& head() const { return head_; }

  // Every parameter and buffer by name, as saved: the box normalisations of RPN and head
  // are folded in. The other tensors share memory with the model.
  std::vector<std::pair<std::string, at::Tensor>> StateToSave() const;

  const configs::ModelConfig& config() const { return config_; }

  // Branches see only RoIs with a label >= 0, so that they cannot be trained on samples of a fixed
  // size.
  bool has_branches() const { return !branches_.empty(); }

 private:
  FasterRcnn() = default;

  // Throws c10::Error if the RPN or the head is missing.
  void CheckIsJoint() const;

  // The losses of `pass` and those of the head on its proposals.
  Losses AddHeadLosses(JointRpnPass pass, const TrainingTargets& targets,
                       at::Generator generator) const;

  // ComputeLosses with targets.counted.
  Losses ComputeCountedLosses(const NetworkOutput& network, const TrainingTargets& targets,
                              at::Generator generator) const;

  // Adds the parts to a new model, for Create. Throws what the layers' constructors
  // throw.
  absl::Status AddParts(const configs::ModelConfig& config, int64_t num_classes);
  absl::Status AddFpn(const configs::FpnConfig& config);
  absl::Status AddBranches(int64_t num_classes);
  // The levels of Features(), and those of them that RoIs are pooled from.
  std::vector<FeatureLevel> MapLevels() const;
  std::vector<FeatureLevel> RoiLevels() const;

  // Adds the proposals to `pass`, from samples in tensors of a fixed size (targets.counted).
  void ProposeCounted(const std::vector<RpnOutput>& parts, const TrainingTargets& targets,
                      const OptionalRange& own, JointRpnPass& pass) const;

  // Throws c10::Error unless the head can detect in images of these sizes.
  void CheckDetects(const InputSizes& sizes,
                    const std::vector<ops::ImageSize>& original_sizes) const;

  // The detections of each image from the head's output for `rois` (DetectEach), with what branches
  // add to them.
  std::vector<Detections> SelectEach(const BatchFeatures& maps, const HeadOutput& output,
                                     const at::Tensor& rois, const InputSizes& sizes,
                                     const std::vector<ops::ImageSize>& original_sizes) const;

  configs::ModelConfig config_;
  std::shared_ptr<Backbone> backbone_;
  std::shared_ptr<Fpn> fpn_;
  std::shared_ptr<Rpn> rpn_;
  std::shared_ptr<FastRcnnHead> head_;
  // By name, in the order of the config.
  std::vector<std::pair<std::string, std::shared_ptr<RoiBranch>>> branches_;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_FASTER_RCNN_H_

// Region proposal network: head, anchors, proposals, targets and loss.
//
// Trains alone on a backbone's maps, proposes alone, or does both inside a
// FasterRcnn.
//
// Shapes: B images; L levels; A anchors per cell; N anchors per image over all
// levels, level by level, in each cell by cell.
//
// Source: Ren et al., arXiv:1506.01497v3, Sec. 3.1.
//
// Example, one step of training it alone:
//   RpnOutput output = rpn->Forward(backbone->Forward(images), images.size(2), images.size(3));
//   RpnLosses losses = rpn->Losses(output, sizes, truths, generator);
//   (losses.objectness + losses.box).backward();

#ifndef RCNN_DETECTION_RPN_H_
#define RCNN_DETECTION_RPN_H_

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/detection/anchor_grid.h"
#include "rcnn/detection/box_loss.h"
#include "rcnn/detection/box_normalization.h"
#include "rcnn/detection/rpn_head.h"
#include "rcnn/detection/targets.h"
#include "rcnn/ops/matcher.h"
#include "rcnn/ops/proposals.h"

namespace rcnn::detection {

// One element per level: logits, deltas and anchors.
using RpnOutput = std::vector<ops::ProposalLevel>;

// The sampled anchors of the loss. Indices count anchors of the whole batch: b N + n.
struct RpnSamples {
  at::Tensor positive;  // [P] int64
  at::Tensor negative;  // [Q] int64
  // [P, 4] float32, deltas from anchor to object, before normalisation
  at::Tensor box_targets;
};

struct RpnLosses {
  at::Tensor objectness;  // scalar
  at::Tensor box;         // scalar, times the config's box_weight
  int64_t positives = 0;  // anchors in the loss
  int64_t negatives = 0;
  // Whether the network's outputs are finite, on another device than the CPU (finite_output.h).
  at::Tensor finite = {};
};

class Rpn : public RpnHead {
 public:
  // For maps of `levels`. kInvalidArgument naming the field that is out of range.
  static absl::StatusOr<std::shared_ptr<Rpn>> Create(const configs::RpnConfig& config,
                                                     const std::vector<FeatureLevel>& levels);

  // `maps`, one per level, are those of images padded to input_height x input_width.
  RpnOutput Forward(const std::vector<at::Tensor>& maps, int64_t input_height,
                    int64_t input_width) const;

  // The best boxes of each image, selected by the config's test_proposals, or by
  // train_proposals while training(). On the CPU throws c10::Error on values that are not
  // finite.
  ops::Proposals Propose(const RpnOutput& output, const InputSizes& sizes) const;
  ops::Proposals Propose(const RpnOutput& output, const InputSizes& sizes,
                         const configs::ProposalsConfig& config) const;

  // Draws the anchors to train on. An image without objects gives negatives only;
  // anchors inside crowd regions are ignored. Images draw one after another from
  // `generator`. Throws c10::Error on invalid boxes of the ground truth, if they are on
  // the CPU.
  RpnSamples Sample(const RpnOutput& output, const InputSizes& sizes, const GroundTruths& truths,
                    at::Generator generator) const;

  // The losses on these anchors: objectness is the mean over the anchors of all images,
  // and the sum of the box loss is divided by the config's box_normalizer. On the CPU
  // throws NotFiniteError naming the anchor if an output is not finite.
  RpnLosses Losses(const RpnOutput& output, const RpnSamples& samples) const;

  // Sample and Losses together.
  RpnLosses Losses(const RpnOutput& output, const InputSizes& sizes, const GroundTruths& truths,
                   at::Generator generator) const;

  // Equals Losses(Forward(maps, input_height, input_width), ...) up to rounding, for
  // training without proposals: maps [B, C, H, W], one per level, B sizes, B truths. On the CPU the
  // network is computed only at the cells of the sampled anchors, unless these are most of the
  // cells; for an image of 1000 x 600 and stride 16, 256 anchors occupy a tenth of the cells.
  // Throws c10::Error on other numbers of levels or images, and as Sample and Losses do.
  RpnLosses LossesAtSamples(const std::vector<at::Tensor>& maps, int64_t input_height,
                            int64_t input_width, const InputSizes& sizes,
                            const GroundTruths& truths, at::Generator generator) const;

  // The box targets [P, 4] of all positive anchors of these images, not only of a
  // sample; RpnTargetsConfig.MEASURED is measured on them. Only the sizes of `maps`
  // are used.
  at::Tensor PositiveBoxTargets(const std::vector<at::Tensor>& maps, int64_t input_height,
                                int64_t input_width, const InputSizes& sizes,
                                const GroundTruths& truths) const;

  // Makes the network predict (delta - mean) / std, [4] float32 each: Losses normalises
  // the targets, Propose undoes it. Undefined tensors turn it off. Throws c10::Error
  // on another shape, a mean that is not finite, or a std that is not > 0.
  void SetBoxNormalization(const at::Tensor& mean, const at::Tensor& std);
  // Undefined if there is none.
  at::Tensor box_mean() const { return normalization_->mean(); }
  at::Tensor box_std() const { return normalization_->std(); }

  // bbox_pred's weight and bias with the normalisation folded in. These are saved, so
  // that the saved model needs no normalisation.
  std::pair<at::Tensor, at::Tensor> FoldedBoxPredictor() const;

  const configs::RpnConfig& config() const { return config_; }

 private:
  Rpn(const configs::RpnConfig& config, const RpnHeadOptions& head, AnchorGrid anchors,
      const ops::BoxCoderOptions& coder, int64_t num_levels);

  void CheckMaps(const std::vector<at::Tensor>& maps) const;
  ops::Matches Match(const at::Tensor& anchors, const GroundTruth& truth,
                     const ops::InputSize& input) const;
  // Deltas from the anchors `rows` to the objects that they are matched with.
  at::Tensor Targets(const at::Tensor& anchors, const GroundTruth& truth,
                     const ops::Matches& matches, const at::Tensor& rows) const;
  // Samples from the anchors [N, 4] of all levels.
  RpnSamples DrawSamples(const at::Tensor& anchors, const InputSizes& sizes,
                         const GroundTruths& truths, at::Generator generator) const;
  // Losses from maps that hold the anchors in the order of the samples' indices.
  RpnLosses ComputeLosses(const std::vector<at::Tensor>& logits,
                          const std::vector<at::Tensor>& deltas, const RpnSamples& samples,
                          double box_normalizer) const;
  // `cells`: of all maps and images.
  double BoxNormalizer(const RpnSamples& samples, int64_t images, int64_t cells) const;

  configs::RpnConfig config_;
  ops::ObjectnessKind objectness_;
  AnchorGrid anchors_;
  ops::BoxCoderOptions coder_;
  int64_t num_levels_;
  std::shared_ptr<BoxNormalization> normalization_;
  const BoxLoss* box_loss_ = nullptr;  // null: smooth L1
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_RPN_H_

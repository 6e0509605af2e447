// Region proposal network: head, anchors, proposals, targets and loss.
//
// Trains alone on a backbone's maps, proposes alone, or does both inside a
// FasterRcnn.
//
// Images of different sizes have maps of their own (BatchFeatures), so that no anchor lies in the
// padding of a batch.
//
// Shapes: B images; L levels; A anchors per cell; N anchors per image over all
// levels, level by level, in each cell by cell; N_b if the images differ in size.
//
// Source: Ren et al., arXiv:1506.01497v3, Sec. 3.1.
//
// Example, one step of training it alone:
//   RpnOutput output = rpn->Forward(backbone->Forward(images), images.size(2), images.size(3));
//   RpnLosses losses = rpn->Losses({output}, {sizes, truths}, generator);
//   (losses.objectness + losses.box).backward();

#ifndef RCNN_DETECTION_RPN_H_
#define RCNN_DETECTION_RPN_H_

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <c10/util/Optional.h>

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
#include "rcnn/detection/rpn_output.h"
#include "rcnn/detection/sampled_cells.h"
#include "rcnn/detection/targets.h"
#include "rcnn/ops/counted_proposals.h"
#include "rcnn/ops/counter_sampler.h"
#include "rcnn/ops/matcher.h"
#include "rcnn/ops/proposals.h"

namespace rcnn::detection {

// The sampled anchors of the loss. Indices count the anchors of the whole batch, image after image:
// b N + n where all images have N.
struct RpnSamples {
  at::Tensor positive;  // [P] int64
  at::Tensor negative;  // [Q] int64
  // [P, 4] float32, deltas from anchor to object, before normalisation
  at::Tensor box_targets;
};

// The numbers of a whole batch that the sums over a part of its samples are divided by.
struct AnchorTotals {
  int64_t images = 0;
  int64_t cells = 0;   // of all maps
  at::Tensor sampled;  // anchors, an int64 scalar on the device
};

// The same in tensors of a fixed size: rows of each image (TrainingTargets::counted). Anchors of an
// image are numbered from 0.
struct CountedAnchors {
  ops::CountedSample sample;
  at::Tensor box_targets;  // [B, P, 4] float32, before normalisation; 0 beyond the count
  // Set where several processes share the batch, of whose images these are some.
  c10::optional<AnchorTotals> batch = c10::nullopt;
};

// The anchors of a batch, as ops/batch_matcher.h takes them.
struct BatchAnchors {
  at::Tensor boxes;                                   // [N, 4] of all images, or [B, N, 4]
  c10::optional<at::Tensor> eligible = c10::nullopt;  // [B, N] bool; not set: all
};

struct RpnLosses {
  at::Tensor objectness;  // scalar
  at::Tensor box;         // scalar, times the config's box_weight
  int64_t positives = 0;  // anchors in the loss
  int64_t negatives = 0;
  // Whether the network's outputs are finite, on another device than the CPU (finite_output.h).
  at::Tensor finite = {};
  // Of CountedAnchors, in place of the two numbers: scalars on the device.
  at::Tensor unread_positives = {};
  at::Tensor unread_negatives = {};
};

// What joint training needs: the outputs that proposals are made from, of each part of a batch, and
// the losses.
struct RpnPass {
  std::vector<RpnOutput> parts;
  RpnLosses losses;
};

class Rpn : public RpnHead {
 public:
  // For maps of `levels`. kInvalidArgument naming the field that is out of range.
  static absl::StatusOr<std::shared_ptr<Rpn>> Create(const configs::RpnConfig& config,
                                                     const std::vector<FeatureLevel>& levels);

  // `maps`, one per level, are those of images of input_height x input_width.
  RpnOutput Forward(const std::vector<at::Tensor>& maps, int64_t input_height,
                    int64_t input_width) const;
  // The second half of Forward: adds the anchors to the network's logits and deltas of each level.
  RpnOutput AddAnchors(const std::vector<std::pair<at::Tensor, at::Tensor>>& outputs,
                       const std::vector<at::Tensor>& maps, int64_t input_height,
                       int64_t input_width) const;
  // The output for each part of a batch.
  std::vector<RpnOutput> ForwardParts(const BatchFeatures& maps) const;

  // The best boxes of each image, selected by the config's test_proposals, or by
  // train_proposals while training(). On the CPU throws c10::Error on values that are not
  // finite.
  ops::Proposals Propose(const RpnOutput& output, const InputSizes& sizes) const;
  ops::Proposals Propose(const RpnOutput& output, const InputSizes& sizes,
                         const configs::ProposalsConfig& config) const;
  // The same for a batch in parts. On the CPU the parts share the threads.
  ops::Proposals Propose(const std::vector<RpnOutput>& parts, const InputSizes& sizes,
                         const configs::ProposalsConfig& config) const;

  // The same in tensors of a fixed size, for `image_info` of CountedTruths. Nothing waits for the
  // device.
  ops::CountedProposals ProposeCounted(const std::vector<RpnOutput>& parts,
                                       const at::Tensor& image_info,
                                       const configs::ProposalsConfig& config) const;

  // Draws the anchors to train on. An image without objects gives negatives only;
  // anchors inside crowd regions are ignored. Draws by counters (ops/counter_sampler.h) under
  // one key from `generator`: the picks of an image depend on its id, and not on the batch or the
  // device. Throws c10::Error on invalid boxes of the ground truth, if they are on the CPU.
  RpnSamples Sample(const RpnOutput& output, const InputSizes& sizes, const GroundTruths& truths,
                    at::Generator generator) const;

  // The same picks in tensors of a fixed size. Nothing waits for the device.
  CountedAnchors SampleCounted(const std::vector<RpnOutput>& parts, const InputSizes& sizes,
                               const CountedTruths& truths, at::Generator generator) const;

  // The same for the images `own` of a batch alone, of which `parts` are, while `targets`, with
  // `counted`, are of the whole batch: the samples are those of one process.
  CountedAnchors SampleCounted(const std::vector<RpnOutput>& parts, const TrainingTargets& targets,
                               at::Generator generator, const ImageRange& own) const;

  // The losses on these anchors: objectness is the mean over the anchors of all images,
  // and the sum of the box loss is divided by the config's box_normalizer. On the CPU
  // throws NotFiniteError naming the anchor if an output is not finite.
  RpnLosses Losses(const RpnOutput& output, const RpnSamples& samples) const;

  RpnLosses Losses(const std::vector<RpnOutput>& parts, const CountedAnchors& samples) const;

  // Sample and Losses together, for a batch in parts; SampleCounted with `targets.counted`. With
  // `own`, these are the parts of those images alone, while the targets are of the whole batch.
  // Throws c10::Error if the numbers of images do not fit.
  RpnLosses Losses(const std::vector<RpnOutput>& parts, const TrainingTargets& targets,
                   at::Generator generator, const OptionalRange& own = c10::nullopt) const;

  // Equals Losses(ForwardParts(maps), ...) up to rounding, for training without proposals. On the
  // CPU the network is computed only at the cells of the sampled anchors, unless these are most of
  // the cells; for an image of 1000 x 600 and stride 16, 256 anchors occupy a tenth of the cells.
  // Throws c10::Error on other numbers of levels or images, and as Sample and Losses do.
  // With `own`, maps are those of these images alone, as above.
  RpnLosses LossesAtSamples(const BatchFeatures& maps, const TrainingTargets& targets,
                            at::Generator generator, const OptionalRange& own = c10::nullopt) const;

  // ForwardParts and Losses together, for training with proposals; equal up to rounding. On the CPU
  // the losses are computed at the cells of the sampled anchors, unless these are many of the
  // cells, and `parts` without gradients: at all other cells the gradient of the outputs is zero.
  // An output that is not finite at any cell is an error as in Losses. Throws as Losses and
  // LossesAtSamples do.
  RpnPass ForwardWithLosses(const BatchFeatures& maps, const TrainingTargets& targets,
                            at::Generator generator, const OptionalRange& own = c10::nullopt) const;

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
  ops::ProposalOptions MakeProposalOptions(const configs::ProposalsConfig& config) const;
  // The output with deltas as they are decoded.
  RpnOutput Decodable(const RpnOutput& output) const;
  // The custom box loss, normalised, over the positive anchors; those beyond the counts are rows of
  // zeros.
  at::Tensor CountedBoxLoss(const at::Tensor& deltas, const CountedAnchors& samples,
                            const at::Tensor& targets,
                            const c10::optional<double>& normalizer) const;
  ops::Matches Match(const at::Tensor& anchors, const GroundTruth& truth,
                     const ops::InputSize& input) const;
  // Deltas from the anchors `rows` to the objects that they are matched with.
  at::Tensor Targets(const at::Tensor& anchors, const GroundTruth& truth,
                     const ops::Matches& matches, const at::Tensor& rows) const;
  // The anchors [N_b, 4] of all levels of each image: of those in `maps`; and of the whole batch,
  // of whose images `here` are `own`.
  std::vector<at::Tensor> AnchorsOfEach(const BatchFeatures& maps) const;
  std::vector<at::Tensor> AnchorsOfBatch(const std::vector<at::Tensor>& here,
                                         const TrainingTargets& targets,
                                         const OptionalRange& own) const;
  // Samples from the anchors [N_b, 4] of each image.
  RpnSamples DrawSamples(const std::vector<at::Tensor>& anchors, const InputSizes& sizes,
                         const GroundTruths& truths, at::Generator generator) const;
  // Likewise of all images, for samples of a fixed size.
  BatchAnchors AnchorsOfBatch(const std::vector<RpnOutput>& parts, const InputSizes& sizes) const;
  BatchAnchors StackAnchors(const std::vector<at::Tensor>& of_each, const InputSizes& sizes) const;
  CountedAnchors DrawCounted(const BatchAnchors& anchors, const CountedTruths& truths,
                             at::Generator generator) const;
  BatchAnchors SharedAnchors(const at::Tensor& anchors, const InputSizes& sizes) const;
  // Box targets of CountedAnchors.
  at::Tensor CountedTargets(const at::Tensor& anchors, const CountedTruths& truths,
                            const ops::Matches& matches, const ops::CountedSample& sample) const;
  // What the sums over samples are divided by.
  struct Divisors {
    double objectness = 1;
    double box = 1;
  };
  // Losses from logits and deltas in the order of the samples' indices.
  RpnLosses ComputeLosses(const at::Tensor& logits, const at::Tensor& deltas,
                          const RpnSamples& samples, const Divisors& divisors) const;
  // `sampled`: anchors; `cells`: of all maps and images.
  double BoxNormalizer(int64_t sampled, int64_t images, int64_t cells) const;
  // Whether the number of sampled anchors divides the box loss.
  bool DividesBoxesBySampled() const;
  // The divisor of the sum over samples of a fixed size, of so many images and cells: not set for
  // the number of these samples; 1 where the samples of the whole batch divide it later.
  c10::optional<double> CountedBoxNormalizer(const CountedAnchors& samples, int64_t images,
                                             int64_t cells) const;
  // Divides the sums over a part of a batch whose processes have so many samples together.
  void DivideBySampled(const at::Tensor& sampled, RpnLosses& losses) const;
  // Of a batch, from its samples and the anchors of each of its images.
  Divisors BatchDivisors(const RpnSamples& samples, const std::vector<at::Tensor>& anchors) const;
  // The samples of the images that have maps.
  struct DrawnSamples {
    RpnSamples samples;
    Divisors divisors;
    std::vector<SampledCells> cells;  // of each part; on the CPU alone
  };
  DrawnSamples DrawAtCells(const BatchFeatures& maps, const TrainingTargets& targets,
                           at::Generator generator, const OptionalRange& own) const;
  // Throws NotFiniteError naming the anchor, on the CPU.
  void CheckOutputs(const std::vector<RpnOutput>& parts) const;
  RpnLosses LossesOfMaps(const std::vector<RpnOutput>& parts, const RpnSamples& samples,
                         const Divisors& divisors) const;
  // The cells of the samples in each part, whose images have these anchors.
  std::vector<SampledCells> FindCells(const BatchFeatures& maps,
                                      const std::vector<at::Tensor>& anchors,
                                      const RpnSamples& samples) const;
  RpnLosses LossesOfCells(const BatchFeatures& maps, const std::vector<SampledCells>& cells,
                          const at::Tensor& box_targets, const Divisors& divisors) const;

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

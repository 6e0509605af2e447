// Fast R-CNN's head: pools features of RoIs and predicts classes and boxes.
//
// The module joins what is usable alone: it crops the features (pool_from_levels.h), draws the RoIs
// to train on (roi_sampler.h), computes the losses (head_losses.h) and selects the detections
// (detections.h) as its config says.
//
// Takes maps and boxes from any source: an RPN (faster_rcnn.h) or a proposal file.
//
// Shapes: B images; R RoIs; K classes without background.
//
// Source: Girshick, arXiv:1504.08083, Sec. 2; Ren et al., arXiv:1506.01497v3.
//
// Example, one step of training on given proposals:
//   RoiSamples samples = head->Sample(proposals, truths, generator);
//   HeadOutput output = head->Forward(maps, samples.rois, generator, samples.draw_rows);
//   HeadLosses losses = head->Losses(output, samples);
//   (losses.classes + losses.box).backward();

#ifndef RCNN_DETECTION_FAST_RCNN_HEAD_H_
#define RCNN_DETECTION_FAST_RCNN_HEAD_H_

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <c10/util/Optional.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/detection/backbone.h"
#include "rcnn/detection/box_head.h"
#include "rcnn/detection/box_loss.h"
#include "rcnn/detection/box_normalization.h"
#include "rcnn/detection/detections.h"
#include "rcnn/detection/head_losses.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/roi_samples.h"
#include "rcnn/detection/targets.h"

namespace rcnn::detection {

class FastRcnnHead : public torch::nn::Module {
 public:
  // For RoIs pooled from maps of `levels`. A C4 head takes the kind of its
  // layer4 from `backbone`. kInvalidArgument naming the field.
  static absl::StatusOr<std::shared_ptr<FastRcnnHead>> Create(
      const configs::HeadConfig& config, const configs::BackboneConfig& backbone,
      const std::vector<FeatureLevel>& levels, int64_t num_classes);

  // Crops the maps' features (PoolFromLevels): rois [R, 5] in pixels of the input ->
  // [R, C, size, size].
  at::Tensor Pool(const std::vector<at::Tensor>& maps, const at::Tensor& rois) const;

  // The same from the maps of a batch. `rois_of_image`: RoiSamples::rois_of_image; empty: unknown.
  at::Tensor Pool(const BatchFeatures& maps, const at::Tensor& rois,
                  const std::vector<int64_t>& rois_of_image = {}) const;

  // Pool, then the remaining layers. Dropout draws by keys from `generator`, one for each layer,
  // and is off without one. Outside training() the deltas are those of unnormalised box
  // targets, see SetBoxNormalization. `draw_rows`: of RoiSamples. On the CPU, of the maps of a
  // batch and without gradients, some hundred RoIs are computed at a time, which takes less memory
  // and in float32 with AVX2 gives the same bits, with convolutions after PrepareForInference
  // alone.
  HeadOutput Forward(const std::vector<at::Tensor>& maps, const at::Tensor& rois,
                     const OptionalGenerator& generator = c10::nullopt,
                     const at::Tensor& draw_rows = {}) const;
  HeadOutput Forward(const BatchFeatures& maps, const at::Tensor& rois,
                     const OptionalGenerator& generator = c10::nullopt,
                     const at::Tensor& draw_rows = {},
                     const std::vector<int64_t>& rois_of_image = {}) const;

  // Draws the RoIs to train on from proposals [P_b, 4] float32 of each image (SampleRois).
  RoiSamples Sample(const std::vector<at::Tensor>& proposals, const GroundTruths& truths,
                    at::Generator generator) const;

  // The same picks in tensors of a fixed size, from proposals [B, K, 4] with counts [B]
  // (SampleCountedRois).
  RoiSamples SampleCounted(const at::Tensor& proposals, const at::Tensor& counts,
                           const CountedTruths& truths, at::Generator generator) const;

  // The losses of `output` = Forward(maps, samples.rois, ...), as ComputeHeadLosses says.
  HeadLosses Losses(const HeadOutput& output, const RoiSamples& samples) const;

  // The detections of one image: `output` of its RoIs, whose boxes [R, 4] are in
  // the frame of `image`. The head must not be training().
  Detections Detect(const HeadOutput& output, const at::Tensor& boxes,
                    const ops::ImageSize& image) const;
  // Whether DetectTogether can replace it: see SelectDetectionsTogether.
  bool CanDetectTogether() const { return CanSelectTogether(config_.detections()); }
  // The detections of all images of the batch that `rois` [R, 5] are of, on the device.
  std::vector<Detections> DetectTogether(const HeadOutput& output, const at::Tensor& rois,
                                         const std::vector<DetectionFrame>& frames) const;

  // In training, targets become (target - mean) / std, [K + 1, 4] float32 each; row 0
  // (background) is unused. For HeadTargetsConfig.PER_CLASS; undefined tensors turn it
  // off.
  void SetBoxNormalization(const at::Tensor& mean, const at::Tensor& std);
  // Undefined if there is none.
  at::Tensor box_mean() const { return normalization_->mean(); }
  at::Tensor box_std() const { return normalization_->std(); }

  // bbox_pred's weight and bias with the normalisation folded in. These are saved,
  // so that the saved model needs no normalisation.
  std::pair<at::Tensor, at::Tensor> FoldedBoxPredictor() const;

  int64_t num_classes() const { return num_classes_; }
  const configs::HeadConfig& config() const { return config_; }

 private:
  FastRcnnHead(const configs::HeadConfig& config, const ops::BoxCoderOptions& coder,
               const std::vector<FeatureLevel>& levels, int64_t num_classes);

  HeadOutput Predict(const at::Tensor& pooled, const OptionalGenerator& generator,
                     const at::Tensor& draw_rows) const;
  // How many RoIs are computed at a time.
  int64_t RoisAtATime() const;
  // Pool and Predict for `count` RoIs at a time.
  HeadOutput ForwardInParts(const BatchFeatures& maps, const at::Tensor& rois, int64_t count) const;

  configs::HeadConfig config_;
  ops::BoxCoderOptions coder_;
  std::vector<FeatureLevel> levels_;
  int64_t num_classes_;
  std::unique_ptr<BoxHead> box_head_;
  std::shared_ptr<Linear> cls_score_, bbox_pred_;
  std::shared_ptr<BoxNormalization> normalization_;
  const BoxLoss* box_loss_ = nullptr;  // null: smooth L1
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_FAST_RCNN_HEAD_H_

// The whole detector as one module: backbone, feature pyramid, RPN and Fast R-CNN
// head on shared features.
//
// Trains jointly or, in alternating training, part by part, and detects. Parts may
// be missing: without a head it only proposes, without an RPN it detects on given
// proposals. The parts are the modules "backbone", "fpn", "rpn" and "head"; they
// can be replaced, and frozen by name (module_parts.h). detector.h wraps it for
// images.
//
// Shapes: B images padded to H x W pixels.
//
// Source: Ren et al., arXiv:1506.01497v3. Joint training is the paper's
// "approximate" one: no gradient flows through the proposals' coordinates.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(auto model, FasterRcnn::Create(config, /*num_classes=*/20));
//   ResetParameters(*model, generator);
//   JointLosses losses = model->Losses(images, image_info, truths, generator);
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
#include "rcnn/detection/fast_rcnn_head.h"
#include "rcnn/detection/fpn.h"
#include "rcnn/detection/rpn.h"
#include "rcnn/detection/targets.h"

namespace rcnn::detection {

struct JointLosses {
  RpnLosses rpn;
  HeadLosses head;

  at::Tensor Total() const;
};

class FasterRcnn : public torch::nn::Module {
 public:
  // Weights are zero until ResetParameters (layers.h) or an import. `num_classes`
  // excludes background and is ignored without a head. kInvalidArgument naming the
  // wrong field; kResourceExhausted if memory runs out.
  static absl::StatusOr<std::shared_ptr<FasterRcnn>> Create(const configs::ModelConfig& config,
                                                            int64_t num_classes);

  // The maps for RPN and head, finest first, of normalised images [B, 3, H, W]
  // float32. A backbone and pyramid without trained parameters record no graph.
  std::vector<at::Tensor> Features(const at::Tensor& images) const;

  // Losses of RPN and head on the RPN's own proposals. Random draws come from
  // `generator`, in a fixed order. Throws c10::Error on invalid ground truth and
  // when values are no longer finite; so do the others below.
  JointLosses Losses(const at::Tensor& images, const ImageInfo& image_info,
                     const GroundTruths& truths, at::Generator generator) const;

  // The same from precomputed maps, for images padded to H x W. The RPN's losses, which
  // need no proposals, come from Rpn::LossesAtSamples.
  RpnLosses ComputeRpnLosses(const std::vector<at::Tensor>& maps, int64_t height, int64_t width,
                             const ImageInfo& image_info, const GroundTruths& truths,
                             at::Generator generator) const;
  // Proposals [P_b, 4] of each image, in pixels of the input.
  HeadLosses ComputeHeadLosses(const std::vector<at::Tensor>& maps,
                               const std::vector<at::Tensor>& proposals, const GroundTruths& truths,
                               at::Generator generator) const;

  // Proposals in pixels of the input. `config` replaces the RPN's own limits.
  ops::Proposals Propose(const at::Tensor& images, const ImageInfo& image_info) const;
  ops::Proposals Propose(const at::Tensor& images, const ImageInfo& image_info,
                         const configs::ProposalsConfig& config) const;
  // The same from precomputed maps, for images padded to H x W.
  ops::Proposals Propose(const std::vector<at::Tensor>& maps, int64_t height, int64_t width,
                         const ImageInfo& image_info, const configs::ProposalsConfig& config) const;

  // Detections of each image in pixels as stored: `original_sizes`. The model must
  // not be training(). Thread-safe.
  std::vector<Detections> Detect(const at::Tensor& images, const ImageInfo& image_info,
                                 const std::vector<ops::ImageSize>& original_sizes) const;
  // The same on given RoIs [R, 5], in pixels of the input.
  std::vector<Detections> Detect(const std::vector<at::Tensor>& maps, const at::Tensor& rois,
                                 const ImageInfo& image_info,
                                 const std::vector<ops::ImageSize>& original_sizes) const;

  // The parts; null if missing.
  const std::shared_ptr<Backbone>& backbone() const { return backbone_; }
  const std::shared_ptr<Fpn>& fpn() const { return fpn_; }
  const std::shared_ptr<Rpn>& rpn() const { return rpn_; }
  const std::shared_ptr<FastRcnnHead>& head() const { return head_; }

  // Replaces an existing part; both models then share its parameters. kInvalidArgument,
  // saying what differs, if it does not fit the maps or classes of the model; for an RPN
  // or a head also if its tensors, its config (apart from targets, losses and limits) or
  // its training mode differ.
  absl::Status ReplaceBackbone(std::shared_ptr<Backbone> backbone);
  absl::Status ReplaceRpn(std::shared_ptr<Rpn> rpn);
  absl::Status ReplaceHead(std::shared_ptr<FastRcnnHead> head);

  // Every parameter and buffer by name, as saved: the box normalisations of RPN and head
  // are folded in. The other tensors share memory with the model.
  std::vector<std::pair<std::string, at::Tensor>> StateToSave() const;

  const configs::ModelConfig& config() const { return config_; }

 private:
  FasterRcnn() = default;

  // Adds the parts to a new model, for Create. Throws what the layers' constructors
  // throw.
  absl::Status AddParts(const configs::ModelConfig& config, int64_t num_classes);

  configs::ModelConfig config_;
  std::shared_ptr<Backbone> backbone_;
  std::shared_ptr<Fpn> fpn_;
  std::shared_ptr<Rpn> rpn_;
  std::shared_ptr<FastRcnnHead> head_;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_FASTER_RCNN_H_

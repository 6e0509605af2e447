// An additional branch on the head's RoIs: masks, keypoints, box quality.
//
// A branch is a module of its own with its own losses. It registers itself by name
// and is built where ModelConfig.branch names it; trainer, scheduler and log need no
// change, because losses are a list of names (losses.h) and parameters belong to the
// model. docs/extending.md has an example.
//
// Example, in the branch's own source:
//   const bool kRegistered = RegisterRoiBranch("box_quality", &BoxQuality::Create);

#ifndef RCNN_DETECTION_ROI_BRANCH_H_
#define RCNN_DETECTION_ROI_BRANCH_H_

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/detection/backbone.h"
#include "rcnn/detection/detections.h"
#include "rcnn/detection/losses.h"
#include "rcnn/detection/roi_samples.h"
#include "rcnn/detection/targets.h"

namespace rcnn::detection {

class RoiBranch : public torch::nn::Module {
 public:
  // The losses on the RoIs that the head is trained on, to be pooled by PoolRois (pool_rois.h).
  // Positive RoIs have a label > 0. Names of
  // losses are unique in the model; start them with the name of the branch. Values that are not
  // finite throw c10::Error on the CPU and clear Losses::finite on another device
  // (finite_output.h).
  virtual Losses ComputeLosses(const BatchFeatures& maps, const RoiSamples& samples,
                               const GroundTruths& truths, at::Generator generator) const = 0;

  // Adds to the detections of one image of the batch, in Detections::extra, under the branch's
  // name. `boxes` [N, 4] are the detections in pixels of the network's input. No graph is kept.
  virtual void Detect(const BatchFeatures& maps, int64_t image, const at::Tensor& boxes,
                      Detections& detections) const = 0;
};

// What a branch is built for.
struct RoiBranchInput {
  const configs::BranchConfig& config;
  // The maps that RoIs are pooled from, finest first.
  const std::vector<FeatureLevel>& levels;
  int64_t num_classes;
};

// Makes a branch. kInvalidArgument naming the option that is wrong.
using RoiBranchFactory =
    std::function<absl::StatusOr<std::shared_ptr<RoiBranch>>(const RoiBranchInput& input)>;

// Registers `name` for MakeRoiBranch and returns true. Ends the process if it is registered
// already.
bool RegisterRoiBranch(const std::string& name, RoiBranchFactory make);

// kInvalidArgument, listing the registered names, if input.config.name() is not among them:
// the program must be linked with the branch's library.
absl::StatusOr<std::shared_ptr<RoiBranch>> MakeRoiBranch(const RoiBranchInput& input);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_ROI_BRANCH_H_

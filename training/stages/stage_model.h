// The network of a training stage: its parts, their initial weights, and which of
// them are frozen.
//
// Source: Ren et al., arXiv:1506.01497v3, Sec. 3.2, "4-Step Alternating Training".
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(auto model, MakeStageModel(experiment, stage, num_classes,
//                                                    MakeWeightsLookup(run), nullptr));
//   for (auto& [name, value] : detection::TrainableParameters(*model)) Use(name, value);

#ifndef RCNN_TRAINING_STAGES_STAGE_MODEL_H_
#define RCNN_TRAINING_STAGES_STAGE_MODEL_H_

#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/weights/state_dict.h"

namespace rcnn::training {

// Initial weights, with another project's names or rcnn's.
struct SourceWeights {
  // For messages: a file, or "stage rpn1".
  std::string source;
  detection::weights::StateDict state;
  // "rcnn", "caffe", "torchvision"; "": detected.
  std::string names;
};

// Finds the weights that a stage's `init` names.
using WeightsLookup = std::function<absl::StatusOr<SourceWeights>(const configs::InitConfig&)>;

// The parts of the experiment's detector that `stage` trains: no head for
// train_rpn, no RPN for train_fast_rcnn, otherwise all.
configs::ModelConfig StageModelConfig(const configs::ModelConfig& model,
                                      const configs::StageConfig& stage);

// OK if the stage's network can be built and has the parts named by `freeze`, and
// the model's normalisation is valid. Builds the network, which takes up to a
// second for large fully connected layers. Errors name the stage or, for the
// normalisation, the model.
absl::Status CheckStageNetwork(const configs::ExperimentConfig& experiment,
                               const configs::StageConfig& stage, int64_t num_classes);

// Returns the stage's network, ready to train: random weights from the stream
// (seed, stage, "weights"), then each `init` in order, then `freeze`. In training
// mode. `reports`, if given, receives a table of loaded tensors for each init.
//
// Errors name the stage: kInvalidArgument for a part that the network or the source
// does not have; also the errors of ImportStateDict.
absl::StatusOr<std::shared_ptr<detection::FasterRcnn>> MakeStageModel(
    const configs::ExperimentConfig& experiment, const configs::StageConfig& stage,
    int64_t num_classes, const WeightsLookup& find_weights, std::vector<std::string>* reports);

// The model config for saved weights: without the box normalisation of training,
// which FasterRcnn::StateToSave folds into the weights.
configs::ModelConfig SavedModelConfig(configs::ModelConfig model);

// A network for inference on `device`, in evaluation mode and packed: `state`, saved weights with
// rcnn's names on any device, must fill all of it. Errors: those of FasterRcnn::Create and
// ImportStateDict. Throws c10::Error if the device has too little memory.
absl::StatusOr<std::shared_ptr<detection::FasterRcnn>> MakeTrainedModel(
    const configs::ModelConfig& config, int64_t num_classes,
    const detection::weights::StateDict& state,
    const c10::Device& device = c10::Device(c10::DeviceType::CPU));

// OK if every tensor of backbone and pyramid is equal in both, bit for bit;
// kFailedPrecondition naming the first difference.
absl::Status CheckSharedBackbone(const detection::weights::StateDict& a,
                                 const detection::weights::StateDict& b);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_STAGES_STAGE_MODEL_H_

#include "rcnn/detection/training_network.h"

#include <ATen/core/Tensor.h>

#include <utility>
#include <vector>

#include "rcnn/detection/module_parts.h"
#include "rcnn/detection/network_tensors.h"

namespace rcnn::detection {
namespace {

std::vector<at::Tensor> TrainedWeights(const FasterRcnn& model) {
  std::vector<at::Tensor> weights;
  const auto add = [&](const torch::nn::Module* part) {
    if (part == nullptr) return;
    for (auto& [name, weight] : TrainableParameters(*part)) weights.push_back(weight);
  };
  add(model.backbone().get());
  add(model.fpn().get());
  add(model.rpn().get());
  return weights;
}

}  // namespace

TrainingNetwork::TrainingNetwork(std::shared_ptr<const FasterRcnn> model, int64_t max_graphs)
    : model_(std::move(model)),
      function_(
          [this](const std::vector<at::Tensor>& parts) {
            BatchMap images;
            images.parts = parts;
            return ComputeTensors(*model_, images);
          },
          TrainedWeights(*model_), {max_graphs}) {}

NetworkOutput TrainingNetwork::Forward(const BatchMap& images) {
  return AssembleOutput(*model_, images, function_.Run(images.parts));
}

}  // namespace rcnn::detection

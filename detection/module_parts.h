// Parts of a model by name: finding, freezing and unfreezing them.
//
// A name is a path of registered modules, "backbone", "backbone.layer1",
// "head.cls_score"; "" is the model itself.
//
// Example, the last step of alternating training:
//   for (const char* part : {"backbone", "rpn"}) Freeze(*FindPart(model, part));
//   for (const auto& [name, value] : TrainableParameters(model)) Use(name, value);

#ifndef RCNN_DETECTION_MODULE_PARTS_H_
#define RCNN_DETECTION_MODULE_PARTS_H_

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace rcnn::detection {

// Null if no module has this name.
torch::nn::Module* FindPart(torch::nn::Module& model, const std::string& name);

// Freezes the part: no gradient is computed for its parameters, no graph is
// recorded unless an earlier parameter needs one, and its batch norms use their
// running statistics without updating them, even in training mode. Existing
// gradients are dropped.
void Freeze(torch::nn::Module& part);
void Unfreeze(torch::nn::Module& part);

// True if the part has no parameter that is trained.
bool IsFrozen(const torch::nn::Module& part);

// The parameters that are trained, by name, in order of registration.
std::vector<std::pair<std::string, at::Tensor>> TrainableParameters(const torch::nn::Module& model);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_MODULE_PARTS_H_

#include "rcnn/detection/weights/module_state.h"

#include <torch/nn/module.h>

#include "absl/strings/str_cat.h"

namespace rcnn::detection::weights {
namespace {

void AddTensors(const torch::OrderedDict<std::string, at::Tensor>& tensors,
                const std::string& prefix, StateDict& state) {
  for (const auto& item : tensors) {
    if (item.value().defined()) state.Add(absl::StrCat(prefix, item.key()), item.value());
  }
}

void AddModule(const torch::nn::Module& module, const std::string& prefix, StateDict& state) {
  AddTensors(module.named_parameters(/*recurse=*/false), prefix, state);
  AddTensors(module.named_buffers(/*recurse=*/false), prefix, state);
  for (const auto& child : module.named_children()) {
    AddModule(*child.value(), absl::StrCat(prefix, child.key(), "."), state);
  }
}

}  // namespace

StateDict ModuleState(const torch::nn::Module& module, const std::string& prefix) {
  StateDict state;
  AddModule(module, prefix, state);
  return state;
}

}  // namespace rcnn::detection::weights

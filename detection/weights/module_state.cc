#include "rcnn/detection/weights/module_state.h"

#include <torch/nn/module.h>

#include "absl/strings/str_cat.h"

namespace rcnn::detection::weights {
namespace {

void AddModule(const torch::nn::Module& module, const std::string& prefix, StateDict& state) {
  const auto add = [&](const std::string& name, const at::Tensor& tensor) {
    if (tensor.defined()) state.Add(absl::StrCat(prefix, name), tensor);
  };
  for (const auto& item : module.named_parameters(/*recurse=*/false)) add(item.key(), item.value());
  for (const auto& item : module.named_buffers(/*recurse=*/false)) {
    if (IsSavedBuffer(item.key())) add(item.key(), item.value());
  }
  for (const auto& child : module.named_children()) {
    AddModule(*child.value(), absl::StrCat(prefix, child.key(), "."), state);
  }
}

}  // namespace

bool IsSavedBuffer(const std::string& buffer_name) {
  const size_t own_name = buffer_name.rfind('.') + 1;  // 0 without a dot
  return own_name >= buffer_name.size() || buffer_name[own_name] != '_';
}

StateDict ModuleState(const torch::nn::Module& module, const std::string& prefix) {
  StateDict state;
  AddModule(module, prefix, state);
  return state;
}

}  // namespace rcnn::detection::weights

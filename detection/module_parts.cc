#include "rcnn/detection/module_parts.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace rcnn::detection {
namespace {

void SetTrained(torch::nn::Module& part, bool trained) {
  for (at::Tensor& parameter : part.parameters()) {
    parameter.set_requires_grad(trained);
    if (!trained) parameter.mutable_grad() = at::Tensor();
  }
}

}  // namespace

torch::nn::Module* FindPart(torch::nn::Module& model, const std::string& name) {
  if (name.empty()) return &model;
  auto modules = model.named_modules("", /*include_self=*/false);
  auto* found = modules.find(name);
  return found == nullptr ? nullptr : found->get();
}

void Freeze(torch::nn::Module& part) { SetTrained(part, false); }

void Unfreeze(torch::nn::Module& part) { SetTrained(part, true); }

bool IsFrozen(const torch::nn::Module& part) {
  const std::vector<at::Tensor> parameters = part.parameters();
  return std::none_of(parameters.begin(), parameters.end(),
                      [](const at::Tensor& parameter) { return parameter.requires_grad(); });
}

std::vector<std::pair<std::string, at::Tensor>> TrainableParameters(
    const torch::nn::Module& model) {
  std::vector<std::pair<std::string, at::Tensor>> trained;
  for (const auto& item : model.named_parameters()) {
    if (item.value().requires_grad()) trained.emplace_back(item.key(), item.value());
  }
  return trained;
}

}  // namespace rcnn::detection

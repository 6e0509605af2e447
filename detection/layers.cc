#include "rcnn/detection/layers.h"

#include <cstddef>

#include "rcnn/base/counted.h"
#include "rcnn/base/heap.h"

namespace rcnn::detection {
namespace {

// PrepareForInference returns memory whenever so many bytes of weights have been dropped.
constexpr size_t kReturnedBytes = size_t{32} << 20;

// Checked before any allocation, to name the layer.
void CheckSize(const std::string& name, int64_t outputs, int64_t inputs) {
  constexpr int64_t kMaxWeights = int64_t{1} << 30;
  TORCH_CHECK(outputs == 0 || inputs <= kMaxWeights / outputs, name, ": ",
              Counted(outputs, "output"), " of ", Counted(inputs, "input"), " take more than ",
              kMaxWeights, " weights");
}

}  // namespace

std::shared_ptr<Conv> AddConv(torch::nn::Module& owner, const std::string& name,
                              const ConvOptions& options, const std::string& norm_name,
                              const NormOptions& norm) {
  CheckSize(name, options.out_channels, options.in_channels * options.kernel * options.kernel);
  ConvOptions with_bias = options;
  const bool has_norm = norm.kind != NormOptions::kNone;
  if (has_norm) with_bias.bias = false;
  auto conv = owner.register_module(name, std::make_shared<Conv>(with_bias));
  if (has_norm) {
    conv->SetNorm(
        owner.register_module(norm_name, std::make_shared<Norm>(options.out_channels, norm)));
  }
  return conv;
}

std::shared_ptr<Linear> AddLinear(torch::nn::Module& owner, const std::string& name,
                                  int64_t in_features, int64_t out_features, const Init& init) {
  CheckSize(name, out_features, in_features);
  return owner.register_module(name, std::make_shared<Linear>(in_features, out_features, init));
}

void ResetParameters(torch::nn::Module& module, at::Generator generator) {
  for (const auto& child : module.modules()) {
    if (auto* conv = dynamic_cast<Conv*>(child.get())) conv->Reset(generator);
    if (auto* linear = dynamic_cast<Linear*>(child.get())) linear->Reset(generator);
  }
}

void UseGpuForm(torch::nn::Module& module) {
  for (const auto& child : module.modules()) {
    if (auto* conv = dynamic_cast<Conv*>(child.get())) conv->UseGpuForm();
  }
}

void PrepareForInference(torch::nn::Module& module, const InferenceOptions& options) {
  size_t dropped = 0;
  for (const auto& child : module.modules()) {
    auto* layer = dynamic_cast<PreparedLayer*>(child.get());
    if (layer == nullptr) continue;
    const size_t before = layer->WeightBytes();
    layer->PrepareForInference(options);
    dropped += before - layer->WeightBytes();
    if (dropped < kReturnedBytes) continue;
    ReturnFreedMemory();
    dropped = 0;
  }
  if (options.drop_weights) ReturnFreedMemory();
}

void EndInference(torch::nn::Module& module) {
  for (const auto& child : module.modules()) {
    auto* layer = dynamic_cast<PreparedLayer*>(child.get());
    if (layer != nullptr) layer->EndInference();
  }
}

void DropWeights(torch::nn::Module& module) {
  for (const auto& child : module.modules()) {
    auto* layer = dynamic_cast<PreparedLayer*>(child.get());
    if (layer != nullptr) layer->DropWeights();
  }
  ReturnFreedMemory();
}

}  // namespace rcnn::detection

#include "rcnn/detection/testing/normed_conv.h"

#include <ATen/ATen.h>

#include "rcnn/detection/testing/slow_layers.h"

namespace rcnn::detection {
namespace {

// The groups of each image are the rows of a matrix.
at::Tensor TwoGroupsNormed(const at::Tensor& x, const torch::nn::Module& module) {
  const at::Tensor groups = x.reshape({2 * x.size(0), -1});
  const at::Tensor normal = (groups - groups.mean(1, true)) /
                            (groups.var({1}, /*unbiased=*/false, true) + kNormEpsilon).sqrt();
  const auto per_channel = [&](const char* name) {
    return FindTensor(module, name).detach().view({1, -1, 1, 1});
  };
  return normal.view(x.sizes()) * per_channel("norm.weight") + per_channel("norm.bias");
}

}  // namespace

at::Generator SeededGenerator(uint64_t seed) { return at::detail::createCPUGenerator(seed); }

at::Tensor SmallMaps(int64_t channels, c10::ScalarType type) {
  return at::randn({2, channels, 6, 5}, SeededGenerator(), type);
}

ConvOptions ConvShape(int64_t in, int64_t out, int64_t kernel, int64_t stride) {
  ConvOptions options;
  options.in_channels = in;
  options.out_channels = out;
  options.kernel = kernel;
  options.stride = stride;
  options.padding = kernel / 2;
  return options;
}

NormOptions MakeNormOptions(NormOptions::Kind kind, int64_t groups) {
  NormOptions options;
  options.kind = kind;
  options.epsilon = kNormEpsilon;
  options.groups = groups;
  return options;
}

NormedConv::NormedConv(const ConvOptions& options, const NormOptions& norm, bool biased) {
  if (biased) {
    conv = module.register_module("conv", std::make_shared<Conv>(options));
    conv->SetNorm(
        module.register_module("norm", std::make_shared<Norm>(options.out_channels, norm)));
  } else {
    conv = AddConv(module, "conv", options, "norm", norm);
  }
  FillAtRandom(module, 0.5, 11);
}

at::Tensor NormedConv::Expected(const at::Tensor& x) const {
  const ConvOptions& options = conv->options();
  at::Tensor y = SlowConv(x, conv->weight(), conv->bias(), options.stride, options.padding);
  if (FindTensor(module, "norm.running_mean").defined()) {
    y = SlowBatchNorm(y, module, "norm", kNormEpsilon);
  } else if (FindTensor(module, "norm.weight").defined()) {
    y = TwoGroupsNormed(y, module);
  }
  return options.activation == Activation::kRelu ? y.clamp_min(0) : y;
}

}  // namespace rcnn::detection

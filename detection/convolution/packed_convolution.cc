#include "rcnn/detection/convolution/packed_convolution.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <vector>

namespace rcnn::detection {
namespace {

// With fewer channels the transforms cost more than the saved multiplications.
constexpr int64_t kMinWinogradChannels = 16;

struct LibtorchOperators {
  c10::optional<c10::OperatorHandle> prepack, run;
};

const LibtorchOperators& Libtorch() {
  static const LibtorchOperators operators = [] {
    auto& dispatcher = c10::Dispatcher::singleton();
    return LibtorchOperators{dispatcher.findSchema({"mkldnn_prepacked::conv2d_prepack", ""}),
                             dispatcher.findSchema({"mkldnn_prepacked::conv2d_run", ""})};
  }();
  return operators;
}

c10::IValue Prepack(const at::Tensor& weight, const at::Tensor& bias,
                    const PackedConvolutionOptions& options) {
  const std::vector<int64_t> stride(2, options.stride), padding(2, options.padding);
  const std::vector<int64_t> dilation(2, 1), input = {1, weight.size(1), 64, 64};
  torch::jit::Stack stack = {weight,   bias,       stride, padding,
                             dilation, int64_t{1}, input,  options.relu ? "relu" : "none"};
  Libtorch().prepack->callBoxed(&stack);
  return stack.front();
}

bool HasLibtorch() { return Libtorch().prepack.has_value() && Libtorch().run.has_value(); }

bool HasShape(const at::Tensor& weight, const PackedConvolutionOptions& options, int64_t kernel) {
  return weight.size(2) == kernel && weight.size(3) == kernel && options.stride == 1 &&
         options.padding == kernel / 2;
}

// oneDNN's AVX-512 kernels need more extensions than the foundation.
bool HasAvx512() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

bool CanUse(ConvolutionMethod method, const at::Tensor& weight,
            const PackedConvolutionOptions& options) {
  switch (method) {
    case ConvolutionMethod::kWinograd:
      return PanelProductAvailable() && HasShape(weight, options, 3);
    case ConvolutionMethod::kPointwise:
      return PanelProductAvailable() && HasShape(weight, options, 1);
    case ConvolutionMethod::kLibtorch:
      return HasLibtorch();
  }
  return false;
}

// The fastest method that this processor and this LibTorch support; nullopt if none does.
c10::optional<ConvolutionMethod> ChooseMethod(const at::Tensor& weight,
                                              const PackedConvolutionOptions& options) {
  std::vector<ConvolutionMethod> by_preference = {
      FastestMethod(weight, options, {PanelProductAvailable(), HasAvx512()}),
      ConvolutionMethod::kLibtorch, ConvolutionMethod::kWinograd, ConvolutionMethod::kPointwise};
  if (options.method.has_value()) by_preference = {*options.method};
  for (const ConvolutionMethod method : by_preference) {
    if (CanUse(method, weight, options)) return method;
  }
  return c10::nullopt;
}

}  // namespace

ConvolutionMethod FastestMethod(const at::Tensor& weight, const PackedConvolutionOptions& options,
                                const Processor& processor) {
  if (!processor.avx2) return ConvolutionMethod::kLibtorch;
  // panel_product.h has no AVX-512 kernel, while oneDNN's processes twice as many numbers
  // at once. With a shortcut panel_product.h is still faster, because it saves a pass over
  // both maps.
  const bool pointwise = !processor.avx512 || options.adds;
  if (HasShape(weight, options, 1) && pointwise) return ConvolutionMethod::kPointwise;
  if (HasShape(weight, options, 3) && weight.size(1) >= kMinWinogradChannels) {
    return ConvolutionMethod::kWinograd;
  }
  return ConvolutionMethod::kLibtorch;
}

bool PackedConvolution::CanPack(const at::Tensor& weight, const PackedConvolutionOptions& options) {
  return weight.device().is_cpu() && weight.scalar_type() == at::kFloat &&
         ChooseMethod(weight, options).has_value();
}

PackedConvolution::PackedConvolution(const at::Tensor& weight, const at::Tensor& bias,
                                     const PackedConvolutionOptions& options)
    : options_(options),
      out_channels_(weight.size(0)),
      in_channels_(weight.size(1)),
      kernel_(weight.size(2)) {
  TORCH_CHECK(CanPack(weight, options), "convolution: ", weight.toString(), " ", weight.sizes(),
              " cannot be packed");
  const at::Tensor packed = weight.detach().contiguous();
  const at::Tensor shift = bias.defined() ? bias.detach().contiguous() : bias;
  const float* weights = packed.data_ptr<float>();
  const float* biases = shift.defined() ? shift.data_ptr<float>() : nullptr;
  switch (*ChooseMethod(weight, options)) {
    case ConvolutionMethod::kPointwise:
      pointwise_ =
          std::make_unique<PointwiseConvolution>(weights, biases, out_channels_, in_channels_);
      return;
    case ConvolutionMethod::kWinograd:
      winograd_ = std::make_unique<WinogradConvolution>(weights, biases, out_channels_,
                                                        in_channels_, options.relu);
      return;
    case ConvolutionMethod::kLibtorch:
      libtorch_ = Prepack(packed, shift, options);
      return;
  }
}

at::Tensor PackedConvolution::RunPointwise(const at::Tensor& x, const float* add, bool relu) const {
  at::Tensor y = at::empty({x.size(0), out_channels_, x.size(2), x.size(3)}, x.options());
  pointwise_->Run(x.data_ptr<float>(), x.size(0), x.size(2) * x.size(3), add, relu,
                  y.data_ptr<float>());
  return y;
}

void PackedConvolution::Check(const at::Tensor& x) const {
  TORCH_CHECK(x.dim() == 4 && x.size(1) == in_channels_ && x.scalar_type() == at::kFloat &&
                  x.device().is_cpu(),
              "convolution: input is ", x.toString(), " ", x.sizes(), ", not float32 [N, ",
              in_channels_, ", H, W] on the CPU");
  // LibTorch's packed convolutions accept smaller maps, which at::conv2d rejects.
  const int64_t smallest = kernel_ - 2 * options_.padding;
  TORCH_CHECK(x.size(2) >= smallest && x.size(3) >= smallest, "convolution: input ", x.sizes(),
              " with padding ", options_.padding, " is smaller than the kernel of ", kernel_);
}

at::Tensor PackedConvolution::Run(const at::Tensor& x) const {
  Check(x);
  const at::Tensor input = x.contiguous();
  if (pointwise_ != nullptr) return RunPointwise(input, nullptr, options_.relu);
  if (winograd_ != nullptr) {
    at::Tensor y = at::empty({x.size(0), out_channels_, x.size(2), x.size(3)}, input.options());
    winograd_->Run(input.data_ptr<float>(), x.size(0), x.size(2), x.size(3), y.data_ptr<float>());
    return y;
  }
  torch::jit::Stack stack = {input, libtorch_};
  Libtorch().run->callBoxed(&stack);
  return stack.front().toTensor().contiguous();
}

at::Tensor PackedConvolution::RunAddRelu(const at::Tensor& x, const at::Tensor& other) const {
  if (pointwise_ == nullptr) return Run(x).add_(other).relu_();
  Check(x);
  const std::vector<int64_t> shape = {x.size(0), out_channels_, x.size(2), x.size(3)};
  TORCH_CHECK(
      other.sizes() == shape && other.scalar_type() == at::kFloat && other.device().is_cpu(),
      "convolution: ", other.toString(), " ", other.sizes(), " cannot be added to float32 ", shape);
  const at::Tensor added = other.contiguous();
  return RunPointwise(x.contiguous(), added.data_ptr<float>(), /*relu=*/true);
}

}  // namespace rcnn::detection

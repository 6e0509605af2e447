#include "rcnn/detection/convolution/training_convolution.h"

#include <ATen/ATen.h>

#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/convolution/training_function.h"
#include "rcnn/detection/convolution/winograd.h"
#include "rcnn/detection/convolution/winograd_weight_gradient.h"
#include "rcnn/detection/convolution/zero_patches.h"

namespace rcnn::detection {
namespace {

// With fewer channels the transforms of the images cost more than the saved
// multiplications, and with fewer pixels those of the weights do.
constexpr int64_t kMinChannels = 16;
constexpr int64_t kMinPixels = 512;

at::Tensor Run(const at::Tensor& x, const at::Tensor& weight, KernelOrder order,
               const at::Tensor& bias, bool relu, const at::Tensor& mask = {}) {
  const at::Tensor input = x.contiguous(), kernels = weight.contiguous();
  const at::Tensor shift = bias.defined() ? bias.contiguous() : bias;
  const float* shift_data = shift.defined() ? shift.data_ptr<float>() : nullptr;
  const int64_t out_channels = weight.size(order == KernelOrder::kForward ? 0 : 1);
  const WinogradConvolution convolution = WinogradConvolution::ForOneRun(
      kernels.data_ptr<float>(), order, shift_data, out_channels, x.size(1), relu);
  at::Tensor y = at::empty({x.size(0), out_channels, x.size(2), x.size(3)}, input.options());
  const at::Tensor masking = mask.defined() ? mask.contiguous() : mask;
  convolution.Run(input.data_ptr<float>(), x.size(0), x.size(2), x.size(3), y.data_ptr<float>(),
                  masking.defined() ? masking.data_ptr<float>() : nullptr);
  const at::Tensor of_zeros = relu && shift.defined() ? shift.relu() : shift;
  FixZeroPatches(input.data_ptr<float>(), {x.size(0), x.size(1), x.size(2), x.size(3)},
                 of_zeros.defined() ? of_zeros.data_ptr<float>() : nullptr, out_channels,
                 y.data_ptr<float>());
  return y;
}

struct WinogradMethod {
  // A second summand cannot be added while the sums are in registers: these are of other tiles.
  static at::Tensor Output(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                           const TrainingEpilogue& epilogue, const KernelMotion&) {
    const bool adds = epilogue.add.defined();
    at::Tensor y = Run(x, weight, KernelOrder::kForward, bias, epilogue.relu && !adds);
    if (adds) y.add_(epilogue.add);
    if (adds && epilogue.relu) y.relu_();
    return y;
  }

  // The same holds for the gradients of other readers.
  static at::Tensor InputGradient(const at::Tensor& weight, const at::Tensor& dy, at::IntArrayRef,
                                  const KernelMotion&, const GradientEpilogue& epilogue) {
    const bool adds = epilogue.add.defined(), masks = epilogue.mask.defined();
    at::Tensor dx = Run(dy, weight, KernelOrder::kInputGradient, {}, /*relu=*/false,
                        adds ? at::Tensor() : epilogue.mask);
    if (adds) dx.add_(epilogue.add);
    return adds && masks ? at::threshold_backward(dx, epilogue.mask, 0) : dx;
  }

  static at::Tensor WeightGradient(const at::Tensor& x, const at::Tensor& dy,
                                   at::IntArrayRef weight_sizes, const KernelMotion&) {
    const at::Tensor input = x.contiguous();
    at::Tensor dw = at::empty(weight_sizes, input.options());
    WinogradWeightGradient(input.data_ptr<float>(), dy.data_ptr<float>(),
                           {x.size(0), x.size(1), dy.size(1), x.size(2), x.size(3)},
                           dw.data_ptr<float>());
    return dw;
  }
};

}  // namespace

bool CanTrainWithWinograd(at::IntArrayRef x, at::IntArrayRef weight, int64_t stride,
                          int64_t padding) {
  return PanelProductAvailable() && stride == 1 && padding == 1 && weight[2] == 3 &&
         weight[3] == 3 && weight[0] >= kMinChannels && weight[1] >= kMinChannels &&
         x[1] == weight[1] && x[0] * x[2] * x[3] >= kMinPixels;
}

bool CanTrainWithWinograd(const at::Tensor& x, const at::Tensor& weight, int64_t stride,
                          int64_t padding) {
  return x.device().is_cpu() && x.scalar_type() == at::kFloat && x.dim() == 4 &&
         weight.scalar_type() == at::kFloat &&
         CanTrainWithWinograd(x.sizes(), weight.sizes(), stride, padding);
}

at::Tensor TrainingConvolution(const at::Tensor& x, const at::Tensor& weight,
                               const at::Tensor& bias, const TrainingEpilogue& epilogue) {
  return Train<WinogradMethod>(x, weight, bias, epilogue, {/*stride=*/1, /*padding=*/1});
}

}  // namespace rcnn::detection

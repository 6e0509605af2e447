#include "rcnn/detection/convolution/training_patches.h"

#include <ATen/ATen.h>

#include "rcnn/base/autocast_scope.h"
#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/convolution/patch_convolution.h"
#include "rcnn/detection/convolution/patch_input_gradient.h"
#include "rcnn/detection/convolution/patch_lanes.h"
#include "rcnn/detection/convolution/patch_weight_gradient.h"
#include "rcnn/detection/convolution/training_function.h"

namespace rcnn::detection {
namespace {

// The first convolution of a network; a stride of 1 otherwise is for Winograd's method or products.
constexpr int64_t kMaxChannelsWithoutStride = 4;
// With fewer channels of the output most of a row panel is empty, with fewer products for each of
// them there is little to compute, and with fewer pixels packing the weights takes too large a part
// of the time.
constexpr int64_t kMinOutputs = 16;
constexpr int64_t kMinDepth = 16;
constexpr int64_t kMinPixels = 256;

PatchShape FindShape(at::IntArrayRef x, at::IntArrayRef weight, const KernelMotion& motion) {
  return {x[0], x[1], weight[0], x[2], x[3], {weight[2], motion.stride, motion.padding}};
}

SlidingWindow FindWindow(const PatchShape& shape) {
  return {shape.height, shape.width, shape.kernel.size, shape.kernel.stride, shape.kernel.padding};
}

const float* DataOrNull(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.data_ptr<float>() : nullptr;
}

struct PatchMethod {
  static at::Tensor Output(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                           const TrainingEpilogue& epilogue, const KernelMotion& motion) {
    const PatchShape shape = FindShape(x.sizes(), weight.sizes(), motion);
    const at::Tensor input = x.contiguous(), kernels = weight.contiguous();
    const at::Tensor shift = bias.defined() ? bias.contiguous() : bias;
    const at::Tensor add = epilogue.add.defined() ? epilogue.add.contiguous() : epilogue.add;
    const PatchConvolution convolution =
        PatchConvolution::ForOneRun(kernels.data_ptr<float>(), DataOrNull(shift),
                                    shape.out_channels, shape.in_channels, shape.kernel);
    const SlidingWindow window = FindWindow(shape);
    at::Tensor y = at::empty({shape.batch, shape.out_channels, window.out_height, window.out_width},
                             input.options());
    TORCH_CHECK(!add.defined() || add.sizes() == y.sizes(), "convolution: a summand of ",
                add.sizes(), " for an output of ", y.sizes());
    convolution.Run(input.data_ptr<float>(), shape.batch, shape.height, shape.width,
                    DataOrNull(add), epilogue.relu, y.data_ptr<float>());
    return y;
  }

  // The gradients of other readers are added apart: those of a block's input go to a convolution
  // without a stride where the block is a bottleneck.
  static at::Tensor InputGradient(const at::Tensor& weight, const at::Tensor& dy,
                                  at::IntArrayRef x_sizes, const KernelMotion& motion,
                                  const GradientEpilogue& epilogue) {
    const bool adds = epilogue.add.defined(), masks = epilogue.mask.defined();
    const at::Tensor kernels = weight.contiguous();
    const at::Tensor mask = masks && !adds ? epilogue.mask.contiguous() : at::Tensor();
    at::Tensor dx = at::empty(x_sizes, dy.options());
    PatchInputGradient(kernels.data_ptr<float>(), dy.data_ptr<float>(),
                       FindShape(x_sizes, weight.sizes(), motion), dx.data_ptr<float>(),
                       DataOrNull(mask));
    if (adds) dx.add_(epilogue.add);
    return adds && masks ? at::threshold_backward(dx, epilogue.mask, 0) : dx;
  }

  static at::Tensor WeightGradient(const at::Tensor& x, const at::Tensor& dy,
                                   at::IntArrayRef weight_sizes, const KernelMotion& motion) {
    const at::Tensor input = x.contiguous();
    at::Tensor dw = at::empty(weight_sizes, dy.options());
    PatchWeightGradient(input.data_ptr<float>(), dy.data_ptr<float>(),
                        FindShape(x.sizes(), weight_sizes, motion), dw.data_ptr<float>());
    return dw;
  }
};

bool IsPlain(const at::Tensor& tensor) {
  return tensor.device().is_cpu() && tensor.scalar_type() == at::kFloat && tensor.dim() == 4;
}

bool HoldsKernel(const PatchShape& shape) {
  const int64_t smallest = shape.kernel.size - 2 * shape.kernel.padding;
  return shape.height >= smallest && shape.width >= smallest && shape.height > 0 && shape.width > 0;
}

}  // namespace

bool CanTrainPatches(at::IntArrayRef x, at::IntArrayRef weight, int64_t stride, int64_t padding) {
  if (!PanelProductAvailable() || AutocastType(c10::DeviceType::CPU).has_value() ||
      x[1] != weight[1] || weight[2] != weight[3]) {
    return false;
  }
  const PatchShape shape = FindShape(x, weight, {stride, padding});
  if (!HoldsKernel(shape)) return false;
  const SlidingWindow window = FindWindow(shape);
  return (stride > 1 || shape.in_channels <= kMaxChannelsWithoutStride) &&
         shape.out_channels >= kMinOutputs &&
         shape.in_channels * weight[2] * weight[3] >= kMinDepth &&
         shape.batch * window.out_height * window.out_width >= kMinPixels;
}

bool CanTrainPatches(const at::Tensor& x, const at::Tensor& weight, int64_t stride,
                     int64_t padding) {
  return IsPlain(x) && IsPlain(weight) &&
         CanTrainPatches(x.sizes(), weight.sizes(), stride, padding);
}

at::Tensor TrainingPatches(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                           int64_t stride, int64_t padding, const TrainingEpilogue& epilogue) {
  return Train<PatchMethod>(x, weight, bias, epilogue, {stride, padding});
}

}  // namespace rcnn::detection

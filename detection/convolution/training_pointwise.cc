#include "rcnn/detection/convolution/training_pointwise.h"

#include <ATen/ATen.h>

#include "rcnn/base/autocast_scope.h"
#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/convolution/pointwise.h"
#include "rcnn/detection/convolution/row_product.h"
#include "rcnn/detection/convolution/training_function.h"

namespace rcnn::detection {
namespace {

// With fewer channels of the input there is little to multiply, and with fewer pixels packing the
// weights takes too large a part of the time.
constexpr int64_t kMinChannels = 16;
constexpr int64_t kMinPixels = 256;

const float* DataOrNull(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.data_ptr<float>() : nullptr;
}

// `weight` has the channels of x as columns, or as rows.
at::Tensor Run(const at::Tensor& x, const at::Tensor& weight, MatrixOrder order,
               const at::Tensor& bias, const TrainingEpilogue& epilogue,
               const at::Tensor& mask = {}) {
  const at::Tensor input = x.contiguous(), matrix = weight.contiguous();
  const at::Tensor shift = bias.defined() ? bias.contiguous() : bias;
  const at::Tensor add = epilogue.add.defined() ? epilogue.add.contiguous() : epilogue.add;
  const int64_t out_channels = weight.size(order == MatrixOrder::kRows ? 0 : 1);
  const PointwiseConvolution convolution = PointwiseConvolution::ForOneRun(
      matrix.data_ptr<float>(), order, DataOrNull(shift), out_channels, x.size(1));
  at::Tensor y = at::empty({x.size(0), out_channels, x.size(2), x.size(3)}, input.options());
  TORCH_CHECK(!add.defined() || add.sizes() == y.sizes(), "convolution: a summand of ", add.sizes(),
              " for an output of ", y.sizes());
  const at::Tensor masking = mask.defined() ? mask.contiguous() : mask;
  convolution.Run(input.data_ptr<float>(), x.size(0), x.size(2) * x.size(3), DataOrNull(add),
                  epilogue.relu, y.data_ptr<float>(), DataOrNull(masking));
  return y;
}

struct PointwiseMethod {
  static at::Tensor Output(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                           const TrainingEpilogue& epilogue, const KernelMotion&) {
    return Run(x, weight, MatrixOrder::kRows, bias, epilogue);
  }

  static at::Tensor InputGradient(const at::Tensor& weight, const at::Tensor& dy, at::IntArrayRef,
                                  const KernelMotion&, const GradientEpilogue& epilogue) {
    return Run(dy, weight, MatrixOrder::kColumns, {}, {epilogue.add}, epilogue.mask);
  }

  // The products of gradients and inputs, summed over the pixels of all images.
  static at::Tensor WeightGradient(const at::Tensor& x, const at::Tensor& dy,
                                   at::IntArrayRef weight_sizes, const KernelMotion&) {
    const at::Tensor input = x.contiguous();
    const int64_t area = x.size(2) * x.size(3), in = x.size(1), out = dy.size(1);
    at::Tensor dw = at::empty(weight_sizes, input.options());
    RowProductOptions options;
    options.matrices = x.size(0);
    RowProduct({dy.data_ptr<float>(), out, out * area}, {input.data_ptr<float>(), in, in * area},
               area, options, dw.data_ptr<float>());
    return dw;
  }
};

bool IsPlain(const at::Tensor& tensor) {
  return tensor.device().is_cpu() && tensor.scalar_type() == at::kFloat && tensor.dim() == 4;
}

}  // namespace

bool CanTrainPointwise(at::IntArrayRef x, at::IntArrayRef weight, int64_t stride, int64_t padding) {
  return PanelProductAvailable() && !AutocastType(c10::DeviceType::CPU).has_value() &&
         stride == 1 && padding == 0 && weight[2] == 1 && weight[3] == 1 &&
         weight[1] >= kMinChannels && x[1] == weight[1] && x[0] * x[2] * x[3] >= kMinPixels;
}

bool CanTrainPointwise(const at::Tensor& x, const at::Tensor& weight, int64_t stride,
                       int64_t padding) {
  return IsPlain(x) && IsPlain(weight) &&
         CanTrainPointwise(x.sizes(), weight.sizes(), stride, padding);
}

at::Tensor TrainingPointwise(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                             const TrainingEpilogue& epilogue) {
  return Train<PointwiseMethod>(x, weight, bias, epilogue, {});
}

}  // namespace rcnn::detection

#include "rcnn/detection/convolution/training_convolution.h"

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/convolution/tile_grid.h"
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

const float* DataOrNull(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.data_ptr<float>() : nullptr;
}

// Tiles of zeros are left out where they are at least one in ten.
constexpr int64_t kMaxTenths = 9;

ZeroPixels FindZeros(const at::Tensor& x) {
  return {x.data_ptr<float>(), {x.size(0), x.size(1), x.size(2), x.size(3)}};
}

// The tiles of x that have values within `halo` pixels; null if they are nearly all.
ChosenTiles ChooseTiles(const at::Tensor& x, const ZeroPixels& zeros, int64_t halo) {
  std::vector<int64_t> tiles = zeros.FindTiles(halo);
  const TileGrid grid(x.size(0), x.size(2), x.size(3));
  if (10 * static_cast<int64_t>(tiles.size()) > kMaxTenths * grid.total) return nullptr;
  return std::make_shared<const std::vector<int64_t>>(std::move(tiles));
}

struct WinogradMethod {
  // A second summand cannot be added while the sums are in registers: these are of other tiles.
  static at::Tensor Output(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                           const TrainingEpilogue& epilogue, const KernelMotion&) {
    const bool adds = epilogue.add.defined(), relu = epilogue.relu && !adds;
    const at::Tensor input = x.contiguous(), kernels = weight.contiguous();
    const at::Tensor shift = bias.defined() ? bias.contiguous() : bias;
    const WinogradConvolution convolution =
        WinogradConvolution::ForOneRun(kernels.data_ptr<float>(), KernelOrder::kForward,
                                       DataOrNull(shift), weight.size(0), x.size(1), relu);
    at::Tensor y = at::empty({x.size(0), weight.size(0), x.size(2), x.size(3)}, input.options());
    convolution.Run(input.data_ptr<float>(), x.size(0), x.size(2), x.size(3), y.data_ptr<float>());
    const at::Tensor of_zeros = relu && shift.defined() ? shift.relu() : shift;
    FindZeros(input).FixPatches(DataOrNull(of_zeros), weight.size(0), y.data_ptr<float>());
    if (adds) y.add_(epilogue.add);
    if (adds && epilogue.relu) y.relu_();
    return y;
  }

  // The same holds for the gradients of other readers.
  static at::Tensor InputGradient(const at::Tensor& weight, const at::Tensor& dy, at::IntArrayRef,
                                  const KernelMotion&, const GradientEpilogue& epilogue) {
    const bool adds = epilogue.add.defined(), masks = epilogue.mask.defined();
    const at::Tensor kernels = weight.contiguous();
    const at::Tensor mask = masks && !adds ? epilogue.mask.contiguous() : at::Tensor();
    const WinogradConvolution convolution =
        WinogradConvolution::ForOneRun(kernels.data_ptr<float>(), KernelOrder::kInputGradient,
                                       nullptr, weight.size(1), weight.size(0), /*relu=*/false);
    const ZeroPixels zeros = FindZeros(dy);
    const ChosenTiles tiles = ChooseTiles(dy, zeros, /*halo=*/1);
    const std::vector<int64_t> sizes = {dy.size(0), weight.size(1), dy.size(2), dy.size(3)};
    at::Tensor dx =
        tiles != nullptr ? at::zeros(sizes, dy.options()) : at::empty(sizes, dy.options());
    convolution.Run(dy.data_ptr<float>(), dy.size(0), dy.size(2), dy.size(3), dx.data_ptr<float>(),
                    DataOrNull(mask), tiles);
    zeros.FixPatches(nullptr, weight.size(1), dx.data_ptr<float>());
    if (adds) dx.add_(epilogue.add);
    return adds && masks ? at::threshold_backward(dx, epilogue.mask, 0) : dx;
  }

  static at::Tensor WeightGradient(const at::Tensor& x, const at::Tensor& dy,
                                   at::IntArrayRef weight_sizes, const KernelMotion&) {
    const at::Tensor input = x.contiguous();
    at::Tensor dw = at::empty(weight_sizes, input.options());
    WinogradWeightGradient(input.data_ptr<float>(), dy.data_ptr<float>(),
                           {x.size(0), x.size(1), dy.size(1), x.size(2), x.size(3)},
                           dw.data_ptr<float>(), ChooseTiles(dy, FindZeros(dy), /*halo=*/0));
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

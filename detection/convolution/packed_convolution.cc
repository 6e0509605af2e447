#include "rcnn/detection/convolution/packed_convolution.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/util/accumulate.h>

#include <algorithm>
#include <vector>

#include "rcnn/base/instruction_level.h"

namespace rcnn::detection {
namespace {

// With fewer channels the transforms cost more than the saved multiplications.
constexpr int64_t kMinWinogradChannels = 16;
// With fewer, a convolution stays in float32 (precision.h).
constexpr int64_t kMinBfloat16Channels = 16;
// The most bytes of RowWeights for which it pays to compute a map in bands.
constexpr int64_t kMaxRowWeightBytes = int64_t{16} << 20;
// Of a result that is written over its input. Many enough that threads share the tiles of a band
// evenly.
constexpr int64_t kOverwrittenRows = 32;

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

bool IsSquare(const at::Tensor& weight) { return weight.size(2) == weight.size(3); }

bool HasShape(const at::Tensor& weight, const PackedConvolutionOptions& options, int64_t kernel) {
  return weight.size(2) == kernel && weight.size(3) == kernel && options.stride == 1 &&
         options.padding == kernel / 2;
}

bool CanUse(ConvolutionMethod method, const at::Tensor& weight,
            const PackedConvolutionOptions& options) {
  switch (method) {
    case ConvolutionMethod::kWinograd:
      return PanelProductAvailable() && HasShape(weight, options, 3);
    case ConvolutionMethod::kPointwise:
      return PanelProductAvailable() && HasShape(weight, options, 1);
    case ConvolutionMethod::kPatches:
      return PanelProductAvailable() && IsSquare(weight);
    case ConvolutionMethod::kLibtorch:
      return HasLibtorch();
    case ConvolutionMethod::kBfloat16:
      return IsSquare(weight);
    case ConvolutionMethod::kBfloat16WinogradTwo:
    case ConvolutionMethod::kBfloat16WinogradFour:
      return PanelProductAvailable() && HasShape(weight, options, 3);
  }
  return false;
}

// The fastest method that this processor and this LibTorch support; nullopt if none does.
c10::optional<ConvolutionMethod> ChooseMethod(const at::Tensor& weight,
                                              const PackedConvolutionOptions& options) {
  std::vector<ConvolutionMethod> by_preference = {
      FastestMethod(weight, options, CurrentInstructionLevel()), ConvolutionMethod::kLibtorch,
      ConvolutionMethod::kWinograd, ConvolutionMethod::kPointwise};
  if (options.method.has_value()) by_preference = {*options.method};
  for (const ConvolutionMethod method : by_preference) {
    if (CanUse(method, weight, options)) return method;
  }
  return c10::nullopt;
}

}  // namespace

ConvolutionMethod FastestMethod(const at::Tensor& weight, const PackedConvolutionOptions& options,
                                InstructionLevel level) {
  if (level < InstructionLevel::kAvx2) return ConvolutionMethod::kLibtorch;
  if (options.precision == Precision::kBfloat16 && HasBfloat16Products(level) &&
      weight.size(1) >= kMinBfloat16Channels) {
    return HasShape(weight, options, 3) ? ConvolutionMethod::kBfloat16WinogradFour
                                        : ConvolutionMethod::kBfloat16;
  }
  if (HasShape(weight, options, 1)) return ConvolutionMethod::kPointwise;
  if (HasShape(weight, options, 3) && weight.size(1) >= kMinWinogradChannels) {
    return ConvolutionMethod::kWinograd;
  }
  return IsSquare(weight) ? ConvolutionMethod::kPatches : ConvolutionMethod::kLibtorch;
}

bool PackedConvolution::CanPack(const at::Tensor& weight, const PackedConvolutionOptions& options) {
  return weight.device().is_cpu() && weight.scalar_type() == at::kFloat &&
         ChooseMethod(weight, options).has_value();
}

bool PackedConvolution::HasPanels(const at::Tensor& weight,
                                  const PackedConvolutionOptions& options) {
  return *ChooseMethod(weight, options) != ConvolutionMethod::kLibtorch;
}

StoredPanels PackedConvolution::panels() const {
  if (winograd_ != nullptr) return winograd_->panels();
  if (pointwise_ != nullptr) return pointwise_->panels();
  if (patches_ != nullptr) return patches_->panels();
  if (bfloat16_ != nullptr) return bfloat16_->panels();
  return bfloat16_winograd_ != nullptr ? bfloat16_winograd_->panels() : StoredPanels();
}

PackedConvolution::PackedConvolution(const at::Tensor& weight, const at::Tensor& bias,
                                     const PackedConvolutionOptions& options,
                                     const StoredPanels& stored)
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
  const WinogradWeights kept = FrugalWinogradWeights(out_channels_, in_channels_);
  const auto pack_winograd = [&](WinogradTile tile) {
    bfloat16_winograd_ = std::make_unique<Bfloat16Winograd>(
        weights, biases, out_channels_, in_channels_, options.relu, tile, stored,
        tile == WinogradTile::kFour ? kept : WinogradWeights::kTransformed);
  };
  method_ = *ChooseMethod(weight, options);
  switch (method_) {
    case ConvolutionMethod::kPointwise:
      pointwise_ = std::make_unique<PointwiseConvolution>(weights, biases, out_channels_,
                                                          in_channels_, stored);
      return;
    case ConvolutionMethod::kPatches:
      patches_ = std::make_unique<PatchConvolution>(
          weights, biases, out_channels_, in_channels_,
          PatchKernel{kernel_, options.stride, options.padding}, stored);
      return;
    case ConvolutionMethod::kWinograd:
      winograd_ = std::make_unique<WinogradConvolution>(weights, biases, out_channels_,
                                                        in_channels_, options.relu, stored, kept);
      return;
    case ConvolutionMethod::kLibtorch:
      libtorch_ = Prepack(packed, shift, options);
      return;
    case ConvolutionMethod::kBfloat16:
      bfloat16_ = std::make_unique<Bfloat16Convolution>(
          weights, biases,
          Bfloat16ConvolutionShape{out_channels_, in_channels_, kernel_, options.stride,
                                   options.padding},
          stored);
      return;
    case ConvolutionMethod::kBfloat16WinogradTwo:
      pack_winograd(WinogradTile::kTwo);
      return;
    case ConvolutionMethod::kBfloat16WinogradFour:
      pack_winograd(WinogradTile::kFour);
      return;
  }
}

std::vector<int64_t> PackedConvolution::OutputShape(const at::Tensor& x) const {
  const auto size = [&](int64_t in) {
    return (in + 2 * options_.padding - kernel_) / options_.stride + 1;
  };
  return {x.size(0), out_channels_, size(x.size(2)), size(x.size(3))};
}

at::Tensor PackedConvolution::RunOwn(const at::Tensor& x, const at::Tensor& add, bool relu,
                                     at::Tensor y) const {
  const float* in = x.data_ptr<float>();
  const float* added = add.defined() ? add.data_ptr<float>() : nullptr;
  float* out = y.data_ptr<float>();
  const int64_t batch = x.size(0), height = x.size(2), width = x.size(3);
  if (pointwise_ != nullptr) pointwise_->Run(in, batch, height * width, added, relu, out);
  if (patches_ != nullptr) patches_->Run(in, batch, height, width, added, relu, out);
  if (bfloat16_ != nullptr) bfloat16_->Run(in, {batch, height, width}, added, relu, out);
  // These have the ReLU of the options.
  if (winograd_ != nullptr) winograd_->Run(in, batch, height, width, out);
  if (bfloat16_winograd_ != nullptr) bfloat16_winograd_->Run(in, batch, height, width, out);
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

at::Tensor PackedConvolution::RunLibtorch(const at::Tensor& x) const {
  torch::jit::Stack stack = {x, libtorch_};
  Libtorch().run->callBoxed(&stack);
  return stack.front().toTensor().contiguous();
}

// Row i of the result depends on the rows from stride * i - padding on. LibTorch adds padding to a
// band as to a map, so a band begins early enough for the rows that see this padding to be skipped.
void PackedConvolution::RunBand(const MapRows& x, int64_t begin, int64_t end,
                                const MapRows& y) const {
  const int64_t stride = options_.stride, padding = options_.padding;
  const int64_t skipped = std::min(begin, (padding + stride - 1) / stride);
  const int64_t first = stride * (begin - skipped);
  const int64_t last = std::min(x.height, stride * (end - 1) - padding + kernel_);
  const at::Tensor band = x.rows.narrow(2, first - x.first, last - first).contiguous();
  y.rows.narrow(2, begin - y.first, end - begin)
      .copy_(RunLibtorch(band).narrow(2, skipped, end - begin));
}

at::Tensor PackedConvolution::RunInBands(const at::Tensor& x) const {
  const std::vector<int64_t> shape = OutputShape(x);
  const int64_t numbers = x.numel() + c10::multiply_integers(shape);
  const int64_t bytes = 2 * numbers * static_cast<int64_t>(sizeof(float));
  if (bytes <= 2 * options_.band_bytes) return RunLibtorch(x);
  const at::Tensor y = at::empty(shape, x.options());
  const int64_t height = shape[2], bands = NumPanels(bytes, options_.band_bytes);
  const int64_t rows = NumPanels(height, bands);
  for (int64_t begin = 0; begin < height; begin += rows) {
    RunBand({x, 0, x.size(2)}, begin, std::min(begin + rows, height), {y, 0, height});
  }
  return y;
}

bool PackedConvolution::CanOverwrite() const {
  return (pointwise_ != nullptr || (bfloat16_ != nullptr && IsPointwise())) &&
         in_channels_ == out_channels_;
}

bool PackedConvolution::IsPointwise() const {
  return kernel_ == 1 && options_.stride == 1 && options_.padding == 0;
}

bool PackedConvolution::CanOverwriteInBands(const at::Tensor& x) const {
  const bool winograd = winograd_ != nullptr || bfloat16_winograd_ != nullptr;
  return winograd && in_channels_ == out_channels_ && x.size(0) == 1 && CanRunRows() &&
         static_cast<int64_t>(x.nbytes()) >= options_.band_bytes;
}

// A band needs the last row of the one before, so that is written when the band has been computed.
at::Tensor PackedConvolution::RunOverInput(const at::Tensor& x) const {
  at::Tensor last;
  ForEachBand(x, kOverwrittenRows, [&](int64_t begin, const at::Tensor& band) {
    const int64_t others = band.size(2) - 1;
    if (last.defined()) x.narrow(2, begin - 1, 1).copy_(last);
    x.narrow(2, begin, others).copy_(band.narrow(2, 0, others));
    last = band.narrow(2, others, 1).clone();
  });
  if (last.defined()) x.narrow(2, x.size(2) - 1, 1).copy_(last);
  return x;
}

bool PackedConvolution::CanRunRows() const {
  const bool winograd = winograd_ != nullptr || bfloat16_winograd_ != nullptr;
  if (!winograd) return patches_ != nullptr || !libtorch_.isNone();
  if (FrugalWinogradWeights(out_channels_, in_channels_) == WinogradWeights::kTransformed) {
    return true;
  }
  return kTilePoints * out_channels_ * in_channels_ * static_cast<int64_t>(sizeof(float)) <=
         kMaxRowWeightBytes;
}

PackedConvolution::RowWeights PackedConvolution::PrepareRows() const {
  RowWeights weights;
  if (winograd_ != nullptr) weights.float32_ = winograd_->TransformForRows();
  if (bfloat16_winograd_ != nullptr) weights.bfloat16_ = bfloat16_winograd_->TransformForRows();
  return weights;
}

void PackedConvolution::RunRows(const MapRows& x, int64_t begin, int64_t end, const MapRows& y,
                                const RowWeights& weights) const {
  const StoredRows input = {x.first, x.rows.size(2)}, output = {y.first, y.rows.size(2)};
  const float* in = x.rows.data_ptr<float>();
  float* out = y.rows.data_ptr<float>();
  const int64_t width = x.rows.size(3);
  if (winograd_ != nullptr) {
    winograd_->RunRows(in, x.height, width, {input, output, begin, end}, out,
                       weights.float32_.get());
  }
  if (bfloat16_winograd_ != nullptr) {
    bfloat16_winograd_->RunRows(in, x.height, width, {input, output, begin, end}, out,
                                weights.bfloat16_.get());
  }
  if (patches_ != nullptr) {
    patches_->RunRows(in, x.height, width, {input, output, begin, end}, options_.relu, out);
  }
  if (!libtorch_.isNone()) RunBand(x, begin, end, y);
}

// Bands lie one after the other in the same memory; the last one may have fewer rows.
void PackedConvolution::ForEachBand(
    const at::Tensor& x, int64_t band_rows,
    absl::FunctionRef<void(int64_t begin, const at::Tensor& band)> use) const {
  Check(x);
  TORCH_CHECK(x.size(0) == 1 && CanRunRows(), "convolution: no bands of an input ", x.sizes());
  const std::vector<int64_t> shape = OutputShape(x);
  const int64_t height = shape[2], row = shape[1] * shape[3];
  const MapRows input = {x.contiguous(), 0, x.size(2)};
  const at::Tensor memory = at::empty({std::min(band_rows, height) * row}, x.options());
  const RowWeights weights = PrepareRows();
  for (int64_t begin = 0; begin < height; begin += band_rows) {
    const int64_t end = std::min(begin + band_rows, height);
    const at::Tensor band =
        memory.narrow(0, 0, (end - begin) * row).view({1, shape[1], end - begin, shape[3]});
    RunRows(input, begin, end, {band, begin, height}, weights);
    use(begin, band);
  }
}

at::Tensor PackedConvolution::Run(const at::Tensor& x, bool overwrite) const {
  Check(x);
  const at::Tensor input = x.contiguous();
  if (!libtorch_.isNone()) return RunInBands(input);
  if (overwrite && CanOverwriteInBands(input)) return RunOverInput(input);
  return RunOwn(input, {}, options_.relu,
                overwrite && CanOverwrite() ? input : at::empty(OutputShape(x), x.options()));
}

at::Tensor PackedConvolution::RunAddRelu(const at::Tensor& x, const at::Tensor& other,
                                         bool overwrite) const {
  if (pointwise_ == nullptr && patches_ == nullptr && bfloat16_ == nullptr) {
    return Run(x).add_(other).relu_();
  }
  Check(x);
  const std::vector<int64_t> shape = OutputShape(x);
  TORCH_CHECK(
      other.sizes() == shape && other.scalar_type() == at::kFloat && other.device().is_cpu(),
      "convolution: ", other.toString(), " ", other.sizes(), " cannot be added to float32 ", shape);
  const at::Tensor added = other.contiguous();
  return RunOwn(x.contiguous(), added, /*relu=*/true,
                overwrite ? added : at::empty(shape, x.options()));
}

}  // namespace rcnn::detection

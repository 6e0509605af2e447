// The states of a Conv:
//
//   state      packed_   folded_     Forward
//   plain      -         -           folds a constant norm into the weight in every call; any other
//                                    norm follows the convolution
//   packed     set       -           the packed convolution with its ReLU; a group norm follows
//   folded     -         set         the same with the folded weight, where packing is impossible
//
// On a GPU a plain Conv of which nothing is trained keeps what it folds (kept_).
//
//   PrepareForInference   plain -> packed or folded; a norm that uses the batch's statistics
//                         leaves it plain
//   EndInference          -> plain; also at train(true), to() and Reset
//
// Invariant: packed and folded weights are used only while LibTorch's counts of in-place changes
// are those of the tensors that they were made from (Version), and only without gradients;
// otherwise Forward throws. Kept ones are made again instead.

#include "rcnn/detection/layers.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <c10/util/accumulate.h>

#include <algorithm>
#include <cmath>

#include "rcnn/base/autocast_scope.h"
#include "rcnn/base/heap.h"
#include "rcnn/detection/convolution/bfloat16_linear.h"
#include "rcnn/detection/convolution/packed_convolution.h"
#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/convolution/row_product.h"
#include "rcnn/detection/convolution/training_convolution.h"
#include "rcnn/detection/convolution/training_pointwise.h"
#include "rcnn/detection/layer_calls.h"
#include "rcnn/detection/unfilled_weights.h"

namespace rcnn::detection {
namespace {

// PrepareForInference returns memory whenever so many bytes of weights have been dropped.
constexpr size_t kReturnedBytes = size_t{32} << 20;

// Numbers of a borrowed weight that are copied together.
constexpr int64_t kCopiedNumbers = int64_t{1} << 20;

void Draw(at::Tensor& weight, const Init& init, at::Generator generator) {
  const int64_t receptive = weight.dim() == 4 ? weight.size(2) * weight.size(3) : 1;
  at::NoGradGuard no_grad;
  switch (init.kind) {
    case Init::kNormal:
      weight.normal_(0, init.stddev, generator);
      return;
    case Init::kReluFanOut:
      weight.normal_(0, std::sqrt(2.0 / static_cast<double>(weight.size(0) * receptive)),
                     generator);
      return;
    case Init::kUniformFanIn: {
      const double limit = std::sqrt(3.0 / static_cast<double>(weight.size(1) * receptive));
      weight.uniform_(-limit, limit, generator);
      return;
    }
  }
}

// LibTorch counts in-place changes of tensors, except those created in inference mode.
int64_t TensorVersion(const at::Tensor& tensor) {
  return !tensor.defined() || tensor.is_inference() ? 0 : tensor._version();
}

// Layers before this one compute in a short type under autocast.
at::Tensor Widen(const at::Tensor& weight, const at::Tensor& x) {
  return x.element_size() < 4 ? x.to(weight.scalar_type()) : x;
}

void RecordCalls(const Conv& conv, const BatchMap& x) {
  for (const at::Tensor& part : x.parts) RecordLayerCall(conv, part.sizes());
}

// The numbers of a tensor, which the result keeps alive; none if it is undefined.
StoredPanels StoreTensor(const at::Tensor& tensor) {
  if (!tensor.defined()) return {};
  const auto owner = std::make_shared<const at::Tensor>(tensor.detach().contiguous());
  return {owner->data_ptr(), owner->nbytes(), owner};
}

// A float32 tensor over stored numbers, which may be read-only; undefined if there are none.
at::Tensor StoredTensor(const StoredPanels& stored, at::IntArrayRef sizes) {
  if (stored.data == nullptr) return {};
  const PackedPanels<float> numbers(stored, c10::multiply_integers(sizes));
  return at::from_blob(
      const_cast<void*>(stored.data), sizes, [owner = stored.owner](void*) {}, at::kFloat);
}

// Checked before any allocation, to name the layer.
void CheckSize(const std::string& name, int64_t outputs, int64_t inputs) {
  constexpr int64_t kMaxWeights = int64_t{1} << 30;
  TORCH_CHECK(outputs == 0 || inputs <= kMaxWeights / outputs, name, ": ", outputs, " outputs of ",
              inputs, " inputs are more than ", kMaxWeights, " weights");
}

}  // namespace

Norm::Norm(int64_t channels, const NormOptions& options) : options_(options) {
  const bool frozen = options.kind == NormOptions::kFrozenBatchNorm;
  weight_ = frozen ? register_buffer("weight", at::ones({channels}))
                   : register_parameter("weight", at::ones({channels}));
  bias_ = frozen ? register_buffer("bias", at::zeros({channels}))
                 : register_parameter("bias", at::zeros({channels}));
  if (options.kind == NormOptions::kGroupNorm) return;
  running_mean_ = register_buffer("running_mean", at::zeros({channels}));
  running_var_ = register_buffer("running_var", at::ones({channels}));
  if (!frozen) {
    num_batches_tracked_ = register_buffer("num_batches_tracked", at::zeros({}, at::kLong));
  }
}

bool Norm::IsAffine() const {
  if (IsGroupNorm()) return false;
  return !(is_training() && weight_.requires_grad());
}

const std::pair<at::Tensor, at::Tensor>& KeptTensors::Get(
    int64_t now, const at::Device& device,
    const std::function<std::pair<at::Tensor, at::Tensor>()>& compute) {
  const bool there = tensors.first.defined() && tensors.first.device() == device;
  if (there && version == now) return tensors;
  const at::NoGradGuard no_grad;
  tensors = compute();
  version = now;
  return tensors;
}

bool Norm::IsFrozen() const {
  return IsAffine() && !weight_.requires_grad() && !bias_.requires_grad();
}

std::pair<at::Tensor, at::Tensor> Norm::ScaleAndShift() const {
  if (!keeps_constants_ || !IsFrozen()) return ComputeScaleAndShift();
  return kept_.Get(Version(), weight_.device(), [&] { return ComputeScaleAndShift(); });
}

std::pair<at::Tensor, at::Tensor> Norm::ComputeScaleAndShift() const {
  at::Tensor scale = weight_ * at::rsqrt(running_var_ + options_.epsilon);
  at::Tensor shift = bias_ - running_mean_ * scale;
  return {std::move(scale), std::move(shift)};
}

at::Tensor Norm::Forward(const at::Tensor& x) const { return Forward(BatchMap(x)).parts.front(); }

BatchMap Norm::Forward(const BatchMap& x) const {
  if (IsGroupNorm()) {
    return ForEachPart(x, [&](const at::Tensor& part) {
      return at::group_norm(Widen(weight_, part), options_.groups, weight_, bias_,
                            options_.epsilon);
    });
  }
  const bool batch = !IsAffine();
  if (batch) at::Tensor(num_batches_tracked_).add_(1);
  if (batch && (parts_sum_ != nullptr || x.parts.size() > 1)) return ForwardOfParts(x);
  return ForEachPart(x, [&](const at::Tensor& part) {
    return at::batch_norm(part, weight_, bias_, running_mean_, running_var_, batch,
                          options_.momentum, options_.epsilon, /*cudnn_enabled=*/true);
  });
}

at::Tensor Norm::SumOfCells(const BatchMap& x) const {
  at::Tensor sum = x.parts.front().sum({0, 2, 3});
  for (size_t p = 1; p < x.parts.size(); ++p) sum = sum + x.parts[p].sum({0, 2, 3});
  return sum;
}

at::Tensor Norm::SumOfProcesses(const at::Tensor& values) const {
  return parts_sum_ != nullptr ? parts_sum_(values) : values;
}

void Norm::UpdateStatistics(const at::Tensor& mean, const at::Tensor& variance,
                            double count) const {
  const at::NoGradGuard no_grad;
  const double unbiased = count / std::max(count - 1, 1.0);
  at::Tensor(running_mean_).mul_(1 - options_.momentum).add_(mean, options_.momentum);
  at::Tensor(running_var_).mul_(1 - options_.momentum).add_(variance, options_.momentum * unbiased);
}

// Two passes, like at::batch_norm: the mean first, and then the squares of what differs from it.
// In the type of the statistics, also under autocast.
BatchMap Norm::ForwardOfParts(const BatchMap& x) const {
  const int64_t channels = weight_.size(0);
  const auto per_channel = [&](const at::Tensor& values) {
    return values.view({1, channels, 1, 1});
  };
  const BatchMap wide =
      ForEachPart(x, [&](const at::Tensor& part) { return Widen(weight_, part); });
  int64_t cells = 0;
  for (const at::Tensor& part : wide.parts) cells += part.numel() / channels;
  const at::Tensor own = at::full({1}, static_cast<double>(cells), wide.parts.front().options());
  const at::Tensor sums = SumOfProcesses(at::cat({SumOfCells(wide), own}));
  // Reading a number waits for another device, so only that of several processes is read.
  const double count =
      parts_sum_ != nullptr ? sums[channels].item<double>() : static_cast<double>(cells);
  const at::Tensor mean = sums.narrow(0, 0, channels) / count;
  const BatchMap centered =
      ForEachPart(wide, [&](const at::Tensor& part) { return part - per_channel(mean); });
  const BatchMap squares =
      ForEachPart(centered, [](const at::Tensor& part) { return part.square(); });
  const at::Tensor variance = SumOfProcesses(SumOfCells(squares)) / count;
  UpdateStatistics(mean, variance, count);
  const at::Tensor scale = weight_ * at::rsqrt(variance + options_.epsilon);
  const at::ScalarType type = x.parts.front().scalar_type();
  return ForEachPart(centered, [&](const at::Tensor& part) {
    return (part * per_channel(scale) + per_channel(bias_)).to(type);
  });
}

c10::optional<RunningStatistics> Norm::TrainedStatistics() const {
  if (IsGroupNorm() || IsAffine()) return c10::nullopt;
  return RunningStatistics{running_mean_, running_var_, num_batches_tracked_, options_.momentum};
}

int64_t Norm::Version() const {
  return TensorVersion(weight_) + TensorVersion(bias_) + TensorVersion(running_mean_) +
         TensorVersion(running_var_);
}

void PreparedLayer::CheckPrepared(const BatchMap& x) const {
  TORCH_CHECK(Version() == prepared_version_,
              "layer: weights were changed after PrepareForInference; call it again");
  if (!at::GradMode::is_enabled()) return;
  const bool wanted = weight_.requires_grad() ||
                      std::any_of(x.parts.begin(), x.parts.end(),
                                  [](const at::Tensor& part) { return part.requires_grad(); });
  TORCH_CHECK(!wanted, "layer: no gradient flows after PrepareForInference; call EndInference");
}

void PreparedLayer::PrepareForInference(const InferenceOptions& options,
                                        const StoredLayer* stored) {
  EndInference();
  TORCH_CHECK(stored == nullptr || stored->weight.data != nullptr, "layer: no stored weights");
  at::NoGradGuard no_grad;
  replaced_ = Pack(keeps_float32_ ? Precision::kFloat32 : options.precision, stored);
  if (!replaced_) OwnWeight();
  prepared_version_ = Version();
  if (options.drop_weights) DropWeights();
}

bool PreparedLayer::BorrowWeight(const at::Tensor& weight, ReleaseMemory release) {
  const auto can = [](const at::Tensor& t) {
    return t.device().is_cpu() && t.scalar_type() == at::kFloat && t.layout() == at::kStrided &&
           t.is_contiguous() && !t.is_inference();
  };
  if (!can(weight) || !can(weight_) || weight.sizes() != weight_.sizes()) return false;
  EndInference();
  borrowed_ = weight.detach();
  release_ = std::move(release);
  weight_.set_data(borrowed_);
  return true;
}

bool PreparedLayer::IsBorrowed() const {
  return borrowed_.defined() && weight_.is_alias_of(borrowed_);
}

void PreparedLayer::OwnWeight() {
  if (!IsBorrowed()) return;
  const at::NoGradGuard no_grad;
  const UnfilledWeights unfilled;
  const at::Tensor own = NewWeights(weight_.sizes());
  const at::Tensor from = borrowed_.view(-1), to = own.view(-1);
  for (int64_t begin = 0; begin < from.numel(); begin += kCopiedNumbers) {
    const int64_t count = std::min(kCopiedNumbers, from.numel() - begin);
    const at::Tensor part = from.narrow(0, begin, count);
    to.narrow(0, begin, count).copy_(part);
    if (release_ != nullptr) release_(part.data_ptr(), part.nbytes());
  }
  weight_.set_data(own);
  borrowed_ = at::Tensor();
  release_ = nullptr;
}

void PreparedLayer::ReleaseWeight() const {
  const ReleaseMemory release = Releaser();
  if (release != nullptr) release(weight_.data_ptr(), weight_.nbytes());
}

void PreparedLayer::PrepareForChange() {
  EndInference();
  OwnWeight();
}

void PreparedLayer::DropWeights() {
  if (!replaced_ || dropped_) return;
  weight_.set_data(at::empty({0}, weight_.options().requires_grad(false)));
  borrowed_ = at::Tensor();
  release_ = nullptr;
  dropped_ = true;
  prepared_version_ = Version();
}

c10::optional<StoredLayer> PreparedLayer::Stored() const {
  if (!IsPrepared()) return c10::nullopt;
  TORCH_CHECK(!dropped_, "layer: PrepareForInference has dropped the weights");
  at::NoGradGuard no_grad;
  return StorePacked();
}

void PreparedLayer::EndInference() {
  TORCH_CHECK(!dropped_, "layer: PrepareForInference has dropped the weights");
  replaced_ = false;
  Unpack();
}

void PreparedLayer::train(bool on) {
  if (on) PrepareForChange();
  Module::train(on);
}

void PreparedLayer::to(torch::Device device, torch::Dtype dtype, bool non_blocking) {
  PrepareForChange();
  Module::to(device, dtype, non_blocking);
}

void PreparedLayer::to(torch::Dtype dtype, bool non_blocking) {
  PrepareForChange();
  Module::to(dtype, non_blocking);
}

void PreparedLayer::to(torch::Device device, bool non_blocking) {
  PrepareForChange();
  Module::to(device, non_blocking);
}

Conv::Conv(const ConvOptions& options) : options_(options) {
  weight_ = register_parameter("weight", NewWeights({options.out_channels, options.in_channels,
                                                     options.kernel, options.kernel}));
  // Undefined without a bias, as in torch::nn.
  bias_ = options.bias ? register_parameter("bias", NewWeights({options.out_channels}))
                       : register_parameter("bias", at::Tensor(), /*requires_grad=*/false);
}

void Conv::Reset(at::Generator generator) {
  PrepareForChange();
  Draw(weight_, options_.init, std::move(generator));
  at::NoGradGuard no_grad;
  if (bias_.defined()) bias_.zero_();
}

std::pair<at::Tensor, at::Tensor> Conv::Folded() const {
  if (norm_ == nullptr) return {weight_, bias_};
  const auto [scale, bias] = ScaleAndBias();
  return {weight_ * scale.view({-1, 1, 1, 1}), bias};
}

std::pair<at::Tensor, at::Tensor> Conv::ScaleAndBias() const {
  auto [scale, shift] = norm_->ScaleAndShift();
  if (bias_.defined()) shift = shift + bias_ * scale;
  return {scale, shift};
}

bool Conv::IsFrozen() const {
  return !weight_.requires_grad() && !(bias_.defined() && bias_.requires_grad()) &&
         (norm_ == nullptr || norm_->IsFrozen());
}

std::pair<at::Tensor, at::Tensor> Conv::FoldedWeights() const {
  if (norm_ == nullptr || !keeps_constants_ || !IsFrozen()) return Folded();
  return kept_.Get(Version(), weight_.device(), [&] { return Folded(); });
}

void Conv::UseGpuForm() {
  EndInference();
  weight_.set_data(weight_.detach().contiguous(at::MemoryFormat::ChannelsLast));
  keeps_constants_ = true;
  if (norm_ != nullptr) norm_->KeepConstants();
}

int64_t Conv::Version() const {
  const bool reads_norm = norm_ != nullptr && !norm_->IsGroupNorm();
  return TensorVersion(weight_) + TensorVersion(bias_) + (reads_norm ? norm_->Version() : 0);
}

bool Conv::HasSeparateNorm() const {
  if (IsPrepared()) return prepared_separate_norm_;
  return norm_ != nullptr && !norm_->IsAffine();
}

BatchMap Conv::Convolve(const BatchMap& x) const {
  RecordCalls(*this, x);
  if (packed_ != nullptr) {
    return ForEachPart(x, [&](const at::Tensor& part) { return packed_->Run(part); });
  }
  const std::pair<at::Tensor, at::Tensor> folded = folded_.first.defined() ? folded_
                                                   : HasSeparateNorm() ? std::pair(weight_, bias_)
                                                                       : FoldedWeights();
  return ForEachPart(x, [&](const at::Tensor& part) {
    const auto& [weight, bias] = folded;
    const int64_t stride = options_.stride, padding = options_.padding;
    if (CanTrainWithWinograd(part, weight, stride, padding)) {
      return TrainingConvolution(part, weight, bias);
    }
    return CanTrainPointwise(part, weight, stride, padding)
               ? TrainingPointwise(part, weight, bias)
               : at::conv2d(part, weight, bias, stride, padding);
  });
}

at::Tensor Conv::Forward(const at::Tensor& x) const { return Forward(BatchMap(x)).parts.front(); }

BatchMap Conv::Forward(const BatchMap& x) const {
  if (!keeps_float32()) return ForwardAsTyped(x);
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  return ForwardAsTyped(
      ForEachPart(x, [&](const at::Tensor& part) { return Widen(weight_, part); }));
}

BatchMap Conv::ForwardAsTyped(const BatchMap& x) const {
  if (IsPrepared()) CheckPrepared(x);
  BatchMap y = Convolve(x);
  if (HasSeparateNorm()) {
    y = norm_->Forward(y);
  } else if (packed_ != nullptr) {
    return y;
  }
  if (options_.activation == Activation::kRelu) {
    for (at::Tensor& part : y.parts) part.relu_();
  }
  return y;
}

const PackedConvolution* Conv::Packed(const BatchMap& x) const {
  if (packed_ == nullptr || HasSeparateNorm() || keeps_float32()) return nullptr;
  CheckPrepared(x);
  return packed_.get();
}

BatchMap Conv::ForwardConsuming(BatchMap x) const {
  const PackedConvolution* packed = Packed(x);
  if (packed == nullptr) return Forward(x);
  RecordCalls(*this, x);
  for (at::Tensor& part : x.parts) {
    const bool overwrite = part.use_count() == 1 && part.storage().use_count() == 1;
    part = packed->Run(part, overwrite);
  }
  return x;
}

BatchMap Conv::ForwardAddRelu(const BatchMap& x, const BatchMap& other, bool overwrite) const {
  TORCH_CHECK(x.parts.size() == other.parts.size(), "maps of ", x.parts.size(), " and of ",
              other.parts.size(), " parts");
  if (IsPrepared()) CheckPrepared(x);
  const bool is_packed = packed_ != nullptr && !HasSeparateNorm();
  if (is_packed) RecordCalls(*this, x);
  BatchMap y = is_packed ? x : Forward(x);
  for (size_t p = 0; p < y.parts.size(); ++p) {
    y.parts[p] = is_packed ? packed_->RunAddRelu(x.parts[p], other.parts[p], overwrite)
                           : y.parts[p].add_(other.parts[p]).relu_();
  }
  return y;
}

std::pair<at::Tensor, at::Tensor> Conv::ToPack() const {
  const bool norm_apart = norm_ != nullptr && norm_->IsGroupNorm();
  auto folded = norm_apart ? std::pair(weight_, bias_) : Folded();
  folded.first = folded.first.detach();
  if (folded.second.defined()) folded.second = folded.second.detach();
  return folded;
}

std::pair<at::Tensor, at::Tensor> Conv::ToPack(const StoredLayer& stored,
                                               const PackedConvolutionOptions& options) const {
  const at::Tensor bias = StoredTensor(stored.bias, {options_.out_channels});
  const bool has_panels = PackedConvolution::CanPack(weight_, options) &&
                          PackedConvolution::HasPanels(weight_, options);
  return {has_panels ? weight_.detach() : StoredTensor(stored.weight, weight_.sizes()), bias};
}

at::Tensor Conv::BiasToPack() const {
  const bool folds = norm_ != nullptr && !norm_->IsGroupNorm();
  const at::Tensor bias = folds ? ScaleAndBias().second : bias_;
  return bias.defined() ? bias.detach() : bias;
}

bool Conv::Pack(Precision precision, const StoredLayer* stored) {
  const bool norm_apart = norm_ != nullptr && norm_->IsGroupNorm();
  if (HasSeparateNorm() && !norm_apart) return false;
  prepared_separate_norm_ = norm_apart;
  PackedConvolutionOptions options;
  options.stride = options_.stride;
  options.padding = options_.padding;
  options.relu = options_.activation == Activation::kRelu && !norm_apart;
  options.precision = precision;
  const bool can = PackedConvolution::CanPack(weight_, options);
  // What is folded may be the weight itself, and LibTorch keeps what it packs.
  if (!can || !PackedConvolution::HasPanels(weight_, options)) OwnWeight();
  auto folded = stored == nullptr ? ToPack() : ToPack(*stored, options);
  if (can) {
    const bool has_panels = PackedConvolution::HasPanels(folded.first, options);
    packed_ = std::make_shared<const PackedConvolution>(
        folded.first, folded.second, options,
        stored != nullptr && has_panels ? stored->weight : StoredPanels());
    if (stored == nullptr) ReleaseWeight();
  } else {
    folded_ = std::move(folded);
  }
  return true;
}

StoredLayer Conv::StorePacked() const {
  const StoredPanels panels = packed_ != nullptr ? packed_->panels() : StoredPanels();
  if (panels.data != nullptr) return {panels, StoreTensor(BiasToPack())};
  const auto [weight, bias] = ToPack();
  return {StoreTensor(weight), StoreTensor(bias)};
}

void Conv::Unpack() {
  packed_ = nullptr;
  folded_ = {};
}

Linear::Linear(int64_t in_features, int64_t out_features, const Init& init) : init_(init) {
  weight_ = register_parameter("weight", NewWeights({out_features, in_features}));
  bias_ = register_parameter("bias", NewWeights({out_features}));
}

at::Tensor Linear::Forward(const at::Tensor& x, Activation activation) const {
  if (!keeps_float32()) return ForwardAsTyped(x, activation);
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  return ForwardAsTyped(Widen(weight_, x), activation);
}

at::Tensor Linear::ForwardAsTyped(const at::Tensor& x, Activation activation) const {
  RecordLayerCall(*this, x.sizes());
  if (packed_ != nullptr) return RunPacked(x, activation == Activation::kRelu);
  if (CanMultiply(x)) return Multiply(x, activation == Activation::kRelu);
  at::Tensor y = at::linear(x, weight_, bias_);
  return activation == Activation::kRelu ? y.relu_() : y;
}

at::Tensor Linear::RunPacked(const at::Tensor& x, bool relu) const {
  CheckPrepared(x);
  TORCH_CHECK(x.dim() == 2 && x.size(1) == packed_->in_features() &&
                  x.scalar_type() == at::kFloat && x.device().is_cpu(),
              "linear layer: input is ", x.toString(), " ", x.sizes(), ", not float32 [N, ",
              packed_->in_features(), "] on the CPU");
  const at::Tensor input = x.contiguous();
  at::Tensor y = at::empty({x.size(0), packed_->out_features()}, input.options());
  packed_->Run(input.data_ptr<float>(), x.size(0), relu, y.data_ptr<float>());
  return y;
}

bool Linear::CanMultiply(const at::Tensor& x) const {
  const auto is_plain = [](const at::Tensor& t) {
    return t.device().is_cpu() && t.scalar_type() == at::kFloat && t.layout() == at::kStrided;
  };
  return !at::GradMode::is_enabled() && PanelProductAvailable() &&
         !AutocastType(c10::DeviceType::CPU).has_value() && is_plain(x) && is_plain(weight_) &&
         is_plain(bias_) && x.dim() == 2 && x.size(1) == weight_.size(1);
}

at::Tensor Linear::Multiply(const at::Tensor& x, bool relu) const {
  const at::Tensor input = x.contiguous(), weight = weight_.contiguous();
  const at::Tensor bias = bias_.contiguous();
  RowProductOptions options;
  options.bias = bias.data_ptr<float>();
  options.relu = relu;
  at::Tensor y = at::empty({x.size(0), weight.size(0)}, input.options());
  RowProduct({input.data_ptr<float>(), x.size(0)}, {weight.data_ptr<float>(), weight.size(0)},
             x.size(1), options, y.data_ptr<float>());
  return y;
}

bool Linear::Pack(Precision precision, const StoredLayer* stored) {
  const bool can = weight_.scalar_type() == at::kFloat && weight_.device().is_cpu();
  if (!can || SupportedPrecision(precision) != Precision::kBfloat16) return false;
  const at::Tensor weight = weight_.detach().contiguous();
  const at::Tensor bias = stored == nullptr ? bias_.detach().contiguous()
                                            : StoredTensor(stored->bias, {weight.size(0)});
  packed_ = std::make_shared<const Bfloat16Linear>(
      weight.data_ptr<float>(), bias.defined() ? bias.data_ptr<float>() : nullptr, weight.size(0),
      weight.size(1), stored == nullptr ? StoredPanels() : stored->weight, Releaser());
  return true;
}

StoredLayer Linear::StorePacked() const { return {packed_->panels(), StoreTensor(bias_)}; }

int64_t Linear::Version() const { return TensorVersion(weight_) + TensorVersion(bias_); }

void Linear::Reset(at::Generator generator) {
  PrepareForChange();
  Draw(weight_, init_, std::move(generator));
  at::NoGradGuard no_grad;
  bias_.zero_();
}

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

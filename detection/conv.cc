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

#include "rcnn/detection/conv.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

#include <cstddef>
#include <utility>

#include "rcnn/base/autocast_scope.h"
#include "rcnn/base/counted.h"
#include "rcnn/detection/convolution/packed_convolution.h"
#include "rcnn/detection/convolution/training_convolution.h"
#include "rcnn/detection/convolution/training_epilogue.h"
#include "rcnn/detection/convolution/training_patches.h"
#include "rcnn/detection/convolution/training_pointwise.h"
#include "rcnn/detection/finish_convolution.h"
#include "rcnn/detection/layer_calls.h"
#include "rcnn/detection/unfilled_weights.h"

namespace rcnn::detection {
namespace {

// The convolution as rcnn's own function with gradients where that is faster, else LibTorch's.
at::Tensor ConvolvePart(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                        const ConvOptions& options, const TrainingEpilogue& epilogue) {
  const int64_t stride = options.stride, padding = options.padding;
  if (CanTrainWithWinograd(x, weight, stride, padding)) {
    return TrainingConvolution(x, weight, bias, epilogue);
  }
  if (CanTrainPointwise(x, weight, stride, padding)) {
    return TrainingPointwise(x, weight, bias, epilogue);
  }
  if (CanTrainPatches(x, weight, stride, padding)) {
    return TrainingPatches(x, weight, bias, stride, padding, epilogue);
  }
  const GradientLinks& links = epilogue.links;
  TORCH_CHECK(!links.output_is_masked && !links.masks_input && links.input == nullptr,
              "convolution: maps ", x.toString(), " ", x.sizes(), " cannot be linked");
  if (bias.defined() && FinishesConvolutions(x.device())) {
    return FinishConvolution(at::conv2d(x, weight, at::Tensor(), stride, padding), bias,
                             epilogue.add, epilogue.relu);
  }
  at::Tensor y = at::conv2d(x, weight, bias, stride, padding);
  if (epilogue.add.defined()) y.add_(epilogue.add);
  return epilogue.relu ? y.relu_() : y;
}

void RecordCalls(const Conv& conv, const BatchMap& x) {
  for (const at::Tensor& part : x.parts) RecordLayerCall(conv, part.sizes());
}

}  // namespace

Conv::Conv(const ConvOptions& options) : options_(options) {
  weight_ = register_parameter("weight", NewWeights({options.out_channels, options.in_channels,
                                                     options.kernel, options.kernel}));
  // Undefined without a bias, as in torch::nn.
  bias_ = options.bias ? register_parameter("bias", NewWeights({options.out_channels}))
                       : register_parameter("bias", at::Tensor(), /*requires_grad=*/false);
}

void Conv::Reset(at::Generator generator) { ResetWeight(options_.init, std::move(generator)); }

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

BatchMap Conv::Convolve(const BatchMap& x, const BatchMap& add, bool relu,
                        const ConvLinks& links) const {
  RecordCalls(*this, x);
  if (packed_ != nullptr) {
    return ForEachPart(x, [&](const at::Tensor& part) { return packed_->Run(part); });
  }
  const auto [weight, bias] = folded_.first.defined() ? folded_
                              : HasSeparateNorm()     ? std::pair(weight_, bias_)
                                                      : FoldedWeights();
  BatchMap y;
  if (links.input != nullptr) links.input->parts.resize(x.parts.size());
  for (size_t p = 0; p < x.parts.size(); ++p) {
    const at::Tensor of_part = add.parts.empty() ? at::Tensor() : add.parts[p];
    at::Tensor* input = links.input != nullptr ? &links.input->parts[p] : nullptr;
    y.parts.push_back(
        ConvolvePart(x.parts[p], weight, bias, options_,
                     {of_part, relu, {links.output_is_masked, links.masks_input, input}}));
  }
  return y;
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
  const bool relu = options_.activation == Activation::kRelu;
  if (!HasSeparateNorm()) return Convolve(x, {}, relu);
  BatchMap y = norm_->Forward(Convolve(x, {}, /*relu=*/false));
  if (relu) {
    for (at::Tensor& part : y.parts) part.relu_();
  }
  return y;
}

const PackedConvolution* Conv::Packed(const BatchMap& x) const {
  if (packed_ == nullptr || HasSeparateNorm() || keeps_float32()) return nullptr;
  CheckPrepared(x);
  return packed_.get();
}

bool Conv::CanLink(at::IntArrayRef map) const {
  if (IsPrepared() || HasSeparateNorm() || keeps_float32() || !weight_.device().is_cpu() ||
      weight_.scalar_type() != at::kFloat || AutocastType(c10::DeviceType::CPU).has_value()) {
    return false;
  }
  const at::IntArrayRef weight = weight_.sizes();
  const int64_t stride = options_.stride, padding = options_.padding;
  return CanTrainWithWinograd(map, weight, stride, padding) ||
         CanTrainPointwise(map, weight, stride, padding) ||
         CanTrainPatches(map, weight, stride, padding);
}

std::vector<int64_t> Conv::OutputSizes(at::IntArrayRef map) const {
  const auto size = [&](int64_t cells) {
    return (cells + 2 * options_.padding - options_.kernel) / options_.stride + 1;
  };
  return {map[0], options_.out_channels, size(map[2]), size(map[3])};
}

BatchMap Conv::ForwardLinked(const BatchMap& x, const BatchMap& add, const ConvLinks& links) const {
  const bool relu = options_.activation == Activation::kRelu || !add.parts.empty();
  return Convolve(x, add, relu, links);
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
  TORCH_CHECK(x.parts.size() == other.parts.size(), "maps of ", Counted(x.parts.size(), "part"),
              " and of ", other.parts.size());
  if (IsPrepared()) CheckPrepared(x);
  if (packed_ == nullptr && !HasSeparateNorm() && !keeps_float32()) {
    return Convolve(x, other, /*relu=*/true);
  }
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

}  // namespace rcnn::detection

#include "rcnn/detection/rpn_head.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/zeros.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

#include <string>

#include "rcnn/detection/convolution/packed_convolution.h"
#include "rcnn/detection/convolution/patches.h"
#include "rcnn/detection/layer_calls.h"

namespace rcnn::detection {
namespace {

// The last 3x3 convolution's map is computed in bands of so many rows if it takes so many bytes.
constexpr int64_t kBandRows = 32;
constexpr int64_t kBandedBytes = int64_t{8} << 20;

// cuDNN's convolutions of float32 are fastest with multiples of so many channels.
constexpr int64_t kChannelStep = 4;

// Whether the map of a 3x3 convolution with `channels` is of one image and that large.
bool IsLarge(const at::Tensor& x, int64_t channels) {
  return x.dim() == 4 && x.size(0) == 1 &&
         channels * x.size(2) * x.size(3) * static_cast<int64_t>(sizeof(float)) >= kBandedBytes;
}

// Maps and products are shorter under autocast.
at::Tensor Widen(const at::Tensor& x) { return x.element_size() < 4 ? x.to(at::kFloat) : x; }

}  // namespace

RpnHead::RpnHead(const RpnHeadOptions& options) {
  ConvOptions conv;
  conv.init.kind = Init::kNormal;
  conv.in_channels = options.in_channels;
  conv.out_channels = options.channels;
  conv.activation = Activation::kRelu;
  for (int64_t i = 1; i <= options.num_convs; ++i) {
    convs_.push_back(AddConv(*this, i == 1 ? "conv" : "conv" + std::to_string(i), conv));
    conv.in_channels = options.channels;
  }
  conv.kernel = 1;
  conv.padding = 0;
  conv.activation = Activation::kNone;
  const bool pairs = options.objectness == ops::ObjectnessKind::kSoftmaxPair;
  conv.out_channels = options.anchors_per_cell * (pairs ? 2 : 1);
  cls_score_ = AddConv(*this, "cls_score", conv);
  conv.out_channels = options.anchors_per_cell * 4;
  bbox_pred_ = AddConv(*this, "bbox_pred", conv);
  cls_score_->KeepFloat32();
  bbox_pred_->KeepFloat32();
}

std::pair<at::Tensor, at::Tensor> RpnHead::Forward(const at::Tensor& map) const {
  at::Tensor x = map;
  for (size_t i = 0; i + 1 < convs_.size(); ++i) x = convs_[i]->Forward(x);
  const PackedConvolution* packed = convs_.back()->Packed(x);
  if (packed != nullptr && packed->CanRunRows() &&
      IsLarge(x, convs_.back()->options().out_channels)) {
    return ForwardInBands(*packed, x);
  }
  x = convs_.back()->Forward(x);
  const bool is_prepared = cls_score_->IsReplaced() || bbox_pred_->IsReplaced();
  if (!x.is_cpu() && !is_prepared) return PredictTogether(x);
  return {cls_score_->Forward(x), bbox_pred_->Forward(x)};
}

// Under autocast each convolution would widen the map for itself, and in the backward pass its
// gradient would be narrowed twice and added. These passes over the map take a GPU longer than the
// products.
std::pair<at::Tensor, at::Tensor> RpnHead::PredictTogether(const at::Tensor& x) const {
  RecordLayerCall(*cls_score_, x.sizes());
  RecordLayerCall(*bbox_pred_, x.sizes());
  // As Conv::KeepFloat32 has it.
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  const at::Tensor& scores = cls_score_->weight();
  const int64_t logits = scores.size(0), deltas = bbox_pred_->weight().size(0);
  const int64_t unused = (kChannelStep - (logits + deltas) % kChannelStep) % kChannelStep;
  const at::Tensor weight = at::cat(
      {scores, bbox_pred_->weight(), at::zeros({unused, scores.size(1), 1, 1}, scores.options())});
  const at::Tensor bias =
      at::cat({cls_score_->bias(), bbox_pred_->bias(), at::zeros({unused}, scores.options())});
  const at::Tensor both = at::conv2d(Widen(x), weight, bias);
  return {both.narrow(1, 0, logits), both.narrow(1, logits, deltas)};
}

std::pair<at::Tensor, at::Tensor> RpnHead::ForwardInBands(const PackedConvolution& conv,
                                                          const at::Tensor& x) const {
  const auto shape = [&](const Conv& layer) {
    return std::vector<int64_t>{1, layer.options().out_channels, x.size(2), x.size(3)};
  };
  RecordLayerCall(*convs_.back(), x.sizes());
  RecordLayerCall(*cls_score_, shape(*convs_.back()));
  RecordLayerCall(*bbox_pred_, shape(*convs_.back()));
  at::Tensor logits = at::empty(shape(*cls_score_), x.options());
  at::Tensor deltas = at::empty(shape(*bbox_pred_), x.options());
  const LayerCalls of_bands;  // so that they are not recorded
  conv.ForEachBand(x, kBandRows, [&](int64_t begin, const at::Tensor& band) {
    logits.narrow(2, begin, band.size(2)).copy_(cls_score_->Forward(band));
    deltas.narrow(2, begin, band.size(2)).copy_(bbox_pred_->Forward(band));
  });
  return {logits, deltas};
}

std::pair<at::Tensor, at::Tensor> RpnHead::ForwardAt(const at::Tensor& map,
                                                     const at::Tensor& cells) const {
  at::Tensor x = map;
  for (size_t i = 0; i + 1 < convs_.size(); ++i) x = convs_[i]->Forward(x);
  // As created by the constructor: with a bias, without a norm, stride 1.
  const auto product = [](const at::Tensor& rows, const Conv& conv) {
    return at::linear(rows, conv.weight().flatten(1), conv.bias());
  };
  const at::Tensor rows = Widen(product(ExtractPatches(Widen(x), cells), *convs_.back()).relu_());
  // As Conv::KeepFloat32 has it.
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  return {product(rows, *cls_score_), product(rows, *bbox_pred_)};
}

}  // namespace rcnn::detection

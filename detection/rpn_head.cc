#include "rcnn/detection/rpn_head.h"

#include <ATen/ops/linear.h>
#include <ATen/ops/relu.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

#include <string>

#include "rcnn/detection/convolution/patches.h"

namespace rcnn::detection {
namespace {

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
  for (const auto& conv : convs_) x = conv->Forward(x);
  return {cls_score_->Forward(x), bbox_pred_->Forward(x)};
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

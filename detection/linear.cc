#include "rcnn/detection/linear.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/impl/LocalDispatchKeySet.h>

#include <utility>

#include "rcnn/base/autocast_scope.h"
#include "rcnn/detection/convolution/bfloat16_linear.h"
#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/convolution/row_product.h"
#include "rcnn/detection/layer_calls.h"
#include "rcnn/detection/layer_tensors.h"
#include "rcnn/detection/unfilled_weights.h"

namespace rcnn::detection {

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

void Linear::Reset(at::Generator generator) { ResetWeight(init_, std::move(generator)); }

}  // namespace rcnn::detection

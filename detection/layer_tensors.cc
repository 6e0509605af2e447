#include "rcnn/detection/layer_tensors.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/util/accumulate.h>

#include <memory>

namespace rcnn::detection {

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

int64_t TensorVersion(const at::Tensor& tensor) {
  return !tensor.defined() || tensor.is_inference() ? 0 : tensor._version();
}

at::Tensor Widen(const at::Tensor& weight, const at::Tensor& x) {
  return x.element_size() < 4 ? x.to(weight.scalar_type()) : x;
}

StoredPanels StoreTensor(const at::Tensor& tensor) {
  if (!tensor.defined()) return {};
  const auto owner = std::make_shared<const at::Tensor>(tensor.detach().contiguous());
  return {owner->data_ptr(), owner->nbytes(), owner};
}

at::Tensor StoredTensor(const StoredPanels& stored, at::IntArrayRef sizes) {
  if (stored.data == nullptr) return {};
  const PackedPanels<float> numbers(stored, c10::multiply_integers(sizes));
  return at::from_blob(
      const_cast<void*>(stored.data), sizes, [owner = stored.owner](void*) {}, at::kFloat);
}

}  // namespace rcnn::detection

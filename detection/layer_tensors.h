// What layers do with their tensors; internal to norm.h, conv.h, linear.h and prepared_layer.h.

#ifndef RCNN_DETECTION_LAYER_TENSORS_H_
#define RCNN_DETECTION_LAYER_TENSORS_H_

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <utility>

#include "rcnn/detection/convolution/stored_panels.h"

namespace rcnn::detection {

// What is computed from constants and kept.
struct KeptTensors {
  // `compute`(), without gradients, if there is nothing or what there is was made from another
  // version, or on another device.
  const std::pair<at::Tensor, at::Tensor>& Get(
      int64_t version, const at::Device& device,
      const std::function<std::pair<at::Tensor, at::Tensor>()>& compute);

  std::pair<at::Tensor, at::Tensor> tensors = {};
  int64_t version = 0;
};

// How often a tensor has been changed in place, by LibTorch's count; 0 for an undefined one and for
// those created in inference mode, which are not counted.
int64_t TensorVersion(const at::Tensor& tensor);

// x, or a copy in the type of `weight` if its own is shorter, as the maps of earlier layers are
// under autocast (base/autocast_scope.h).
at::Tensor Widen(const at::Tensor& weight, const at::Tensor& x);

// The numbers of a tensor, which the result keeps alive; none if it is undefined.
StoredPanels StoreTensor(const at::Tensor& tensor);

// A float32 tensor over stored numbers, which may be read-only; undefined if there are none. Throws
// std::invalid_argument if they have another size or are not at a multiple of 64 bytes.
at::Tensor StoredTensor(const StoredPanels& stored, at::IntArrayRef sizes);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_LAYER_TENSORS_H_

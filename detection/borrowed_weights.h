// Layers pack the weights of a file where it is mapped, so that these are never in memory as a
// whole.
//
// A copy of all weights would be the peak of a detector's memory: 553 MB for VGG16, while the
// packed ones take 276 MB in bfloat16. For inference on the CPU: fill the model, prepare it, drop
// its weights.
//
// Example:
//   weights::ImportOptions options;
//   options.borrow = BorrowWeights(*model, file.PageReleaser());

#ifndef RCNN_DETECTION_BORROWED_WEIGHTS_H_
#define RCNN_DETECTION_BORROWED_WEIGHTS_H_

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <functional>
#include <string>

#include "rcnn/detection/convolution/release_memory.h"

namespace rcnn::detection {

// weights::ImportOptions::borrow: makes a tensor the weight of the layer of `model` with that name,
// as PreparedLayer::BorrowWeight (prepared_layer.h) does with `release`, which also says what may
// be done with the model until PrepareForInference. False for all other tensors: biases, norms,
// other types.
//
// After PrepareForInference with drop_weights no layer refers to the memory of the tensors.
std::function<bool(const std::string& name, const at::Tensor& tensor)> BorrowWeights(
    const torch::nn::Module& model, ReleaseMemory release);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_BORROWED_WEIGHTS_H_

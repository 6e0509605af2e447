// The layers of detectors: convolution, linear layer and norm, with initial values
// from a given generator and a fast path for inference.
//
// They are torch::nn modules with PyTorch's parameter names, so that weights,
// optimisers and hooks work as usual. Unlike torch::nn's own layers they do not use
// a global generator, and a convolution knows the norm and the ReLU after it:
//   * a norm whose statistics do not change (frozen, or not training) is folded
//     into the convolution, in training too, where it saves two passes over the
//     activations and their memory;
//   * on a GPU (UseGpuForm) weights are channels-last, and what follows from constants alone is
//     computed once, in training too: the scale of a frozen norm, and the folded weights of a
//     convolution of which nothing is trained;
//   * for inference (PrepareForInference) the folded weights are kept packed
//     (convolution/packed_convolution.h), and the ReLU is applied while a result is in
//     registers. A group norm cannot be folded; the convolution before it is packed alone.
//     Linear layers are packed for bfloat16 only;
//   * without gradients a linear layer of float32 tensors on the CPU gives a row of its input the
//     same bits whatever the other rows (convolution/row_product.h).
//
// Convolutions and norms take a tensor, or a batch whose images differ in size (batch_map.h).
//
// Shapes: N images, C channels, H, W cells.
//
// Example:
//   class Stem : public torch::nn::Module {
//     std::shared_ptr<Conv> conv1_ = AddConv(
//         *this, "conv1", {.in_channels = 3, .out_channels = 64, .activation = Activation::kRelu},
//         "bn1", norm);
//     at::Tensor Forward(const at::Tensor& x) const { return conv1_->Forward(x); }
//   };

#ifndef RCNN_DETECTION_LAYERS_H_
#define RCNN_DETECTION_LAYERS_H_

#include <ATen/core/Generator.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <string>

#include "rcnn/detection/conv.h"
#include "rcnn/detection/linear.h"
#include "rcnn/detection/norm.h"
#include "rcnn/detection/prepared_layer.h"

namespace rcnn::detection {

// Registers a convolution in `owner`, and, unless it is kNone, a norm as `norm_name`.
// More than 2^30 weights are an error naming the layer; the same holds for linear
// layers.
std::shared_ptr<Conv> AddConv(torch::nn::Module& owner, const std::string& name,
                              const ConvOptions& options, const std::string& norm_name = "",
                              const NormOptions& norm = {});
std::shared_ptr<Linear> AddLinear(torch::nn::Module& owner, const std::string& name,
                                  int64_t in_features, int64_t out_features, const Init& init);

// Draws new initial values for every convolution and linear layer of `module`, in
// order of registration; biases become 0. Norms are unchanged.
void ResetParameters(torch::nn::Module& module, at::Generator generator);

// For a network on a GPU, before PrepareForInference: weights of convolutions become channels-last,
// the order in which cuDNN's convolutions are fastest and which maps then take on, and constants of
// frozen norms and layers are kept. Values do not change, nor does what is saved. Then forward
// passes are thread-safe only after PrepareForInference. module_device.h calls it.
void UseGpuForm(torch::nn::Module& module);

// Folds and packs the weights of every convolution whose norm is constant, and packs those
// of one before a group norm, for float32 tensors on the CPU; with bfloat16 also those of
// linear layers. Afterwards the original parameters are not read, and no gradient flows
// through these layers. `module` must be in evaluation mode or frozen. Not thread-safe, but
// later forward passes are.
//
// train(true), to() and ResetParameters undo it. After any other change of the weights
// (an import, an optimiser step), or if a gradient is requested, a forward pass
// throws c10::Error instead of using the packed weights.
void PrepareForInference(torch::nn::Module& module, const InferenceOptions& options = {});
// Undoes PrepareForInference. Throws c10::Error if weights were dropped.
void EndInference(torch::nn::Module& module);
// Drops the weights of prepared layers, as InferenceOptions::drop_weights does.
void DropWeights(torch::nn::Module& module);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_LAYERS_H_

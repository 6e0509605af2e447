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
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/util/Optional.h>
#include <torch/nn/module.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/convolution/precision.h"
#include "rcnn/detection/convolution/release_memory.h"
#include "rcnn/detection/convolution/stored_panels.h"

namespace rcnn::detection {

class Bfloat16Linear;
class PackedConvolution;
struct PackedConvolutionOptions;

// How a layer's weights are initialised; biases start at 0.
struct Init {
  enum Kind {
    // Normal with deviation `stddev`.
    kNormal,
    // Normal with variance 2 / (outputs that an input reaches), for a following
    // ReLU (He et al., arXiv:1502.01852, Eq. 14).
    kReluFanOut,
    // Uniform with variance 1 / (inputs of an output).
    kUniformFanIn,
  };
  Kind kind = kReluFanOut;
  double stddev = 0.01;
};

struct NormOptions {
  enum Kind { kNone, kFrozenBatchNorm, kBatchNorm, kGroupNorm };
  Kind kind = kNone;
  // Added to variances.
  double epsilon = 1e-5;
  // kBatchNorm: weight of the batch in the running statistics.
  double momentum = 0.1;
  // kGroupNorm: divides the channels.
  int64_t groups = 32;
};

// What a batch norm in training changes in place; shares its memory.
struct RunningStatistics {
  at::Tensor mean, variance;  // [C] float32
  at::Tensor batches;         // int64 scalar: how many have been added
  double momentum = 0.1;      // the weight of one
};

// Adds up a tensor over the processes that share a batch (ImageRange), in all of which it has the
// same shape. Differentiable: its gradient is the sum of theirs. All call it at the same places.
using PartsSum = std::function<at::Tensor(const at::Tensor& values)>;

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

// Normalises [N, C, H, W] by batch statistics, constants or groups of channels.
//
// A batch norm whose weight does not require a gradient is frozen: it uses its
// running statistics and does not update them, even in training. A frozen batch
// norm has only buffers, named like the batch norm's parameters.
class Norm : public torch::nn::Module {
 public:
  Norm(int64_t channels, const NormOptions& options);

  // True if the result is x * scale + shift with constants per channel.
  bool IsAffine() const;
  // True for a group norm, which treats each image separately, in training as well.
  bool IsGroupNorm() const { return options_.kind == NormOptions::kGroupNorm; }
  // These constants, [C] each. IsAffine() must hold. Differentiable.
  std::pair<at::Tensor, at::Tensor> ScaleAndShift() const;
  // True if no gradient is wanted of these constants either.
  bool IsFrozen() const;
  // Has ScaleAndShift compute the constants of a frozen norm once, and again only after a change.
  // Then it is not thread-safe.
  void KeepConstants() { keeps_constants_ = true; }

  at::Tensor Forward(const at::Tensor& x) const;
  // A batch norm in training uses the statistics of the cells of all images, each of the same
  // weight.
  BatchMap Forward(const BatchMap& x) const;

  // Makes a batch norm in training use the statistics of the whole batch, of which x is a part. Two
  // sums in the forward pass, and two of gradients. Null: x is the batch.
  void SetPartsSum(PartsSum sum) { parts_sum_ = std::move(sum); }

  // The statistics that Forward changes; not set if it changes none.
  c10::optional<RunningStatistics> TrainedStatistics() const;

  // Changes whenever the parameters or statistics are modified in place.
  int64_t Version() const;

 private:
  // Normalises with the statistics of all parts, and of the parts of other processes.
  BatchMap ForwardOfParts(const BatchMap& x) const;
  // The sum [C] over all cells.
  at::Tensor SumOfCells(const BatchMap& x) const;
  // Of this process's values over all processes.
  at::Tensor SumOfProcesses(const at::Tensor& values) const;
  void UpdateStatistics(const at::Tensor& mean, const at::Tensor& variance, double count) const;
  std::pair<at::Tensor, at::Tensor> ComputeScaleAndShift() const;

  NormOptions options_;
  at::Tensor weight_, bias_, running_mean_, running_var_, num_batches_tracked_;
  PartsSum parts_sum_;
  bool keeps_constants_ = false;
  mutable KeptTensors kept_;
};

// The function after a layer.
enum class Activation { kNone, kRelu };

struct InferenceOptions {
  // kBfloat16 where there are instructions for it (precision.h), else float32.
  Precision precision = Precision::kFloat32;
  // Frees the weights of packed layers, which then have no elements; only the packed ones remain.
  // The model cannot be trained, saved, moved or prepared again: these throw c10::Error. Their
  // memory goes back to the system while later layers are packed (base/heap.h), so that packed
  // and original weights hardly take memory at the same time.
  bool drop_weights = false;
};

// What a prepared layer computes with, to be kept in a file (packed_model.h).
struct StoredLayer {
  // The packed weights; or float32 ones in the order of the layer's weight, where LibTorch packs
  // them. Norms are folded in.
  StoredPanels weight;
  StoredPanels bias;  // float32 [out]; none where the layer has none
};

// A layer with a fast path for inference.
class PreparedLayer : public torch::nn::Module {
 public:
  // See the functions of these names below. With `stored`, what Stored() of an equal layer returned
  // after the same call, at the same instruction level and with the same LibTorch, the numbers of
  // the weights and norms are not read. Throws std::invalid_argument or c10::Error if it is of
  // another layer.
  void PrepareForInference(const InferenceOptions& options, const StoredLayer* stored = nullptr);
  void EndInference();

  // Makes `weight`, in its memory, the layer's, for inference. The memory may be read-only, such as
  // that of a mapped file; until the layer's weight is dropped or copied, an import, an optimiser
  // or another change of it in place would end the process by a signal. PrepareForInference packs
  // the weight, or copies it if the layer uses it unpacked, and calls `release` with the parts that
  // it has read: each number once, parts of a few megabytes of a linear layer, all of a
  // convolution. Reset, train(true) and to() copy a borrowed weight before they change it.
  //
  // Returns false and does nothing unless both weights are contiguous float32 tensors of the same
  // shape on the CPU.
  bool BorrowWeight(const at::Tensor& weight, ReleaseMemory release);

  // Whether the weight is in borrowed memory.
  bool IsBorrowed() const;

  // Bytes of the weight, 0 once it has been dropped.
  size_t WeightBytes() const { return weight_.nbytes(); }

  // Frees the weights, as InferenceOptions::drop_weights does, if the layer is prepared.
  void DropWeights();

  // Whether the layer is prepared, so that its weight is read no more.
  bool IsReplaced() const { return replaced_; }

  // What PrepareForInference has made; nullopt if it has made nothing. The weights must not have
  // been dropped.
  c10::optional<StoredLayer> Stored() const;

  // Computes in the type of its weights, float32, whatever PrepareForInference or autocast
  // (base/autocast_scope.h) asks for.
  void KeepFloat32() { keeps_float32_ = true; }

  // Overrides of torch::nn::Module. All except train(false) end inference.
  void train(bool on = true) override;
  void to(torch::Device device, torch::Dtype dtype, bool non_blocking = false) override;
  void to(torch::Dtype dtype, bool non_blocking = false) override;
  void to(torch::Device device, bool non_blocking = false) override;

 protected:
  // Packs the weights and releases a borrowed one, or does nothing. Returns whether weight() is
  // read no more. `stored` may be null.
  virtual bool Pack(Precision precision, const StoredLayer* stored) = 0;
  // The result of Pack. IsPrepared() holds.
  virtual StoredLayer StorePacked() const = 0;
  virtual void Unpack() = 0;
  virtual bool IsPrepared() const = 0;
  // Changes whenever the inputs of PrepareForInference are modified in place.
  virtual int64_t Version() const = 0;

  // Throws c10::Error if the packed weights are stale, or if a gradient of them or of `x` is asked
  // for. IsPrepared() must hold.
  void CheckPrepared(const BatchMap& x) const;

  bool keeps_float32() const { return keeps_float32_; }

  // Ends inference, and copies a borrowed weight.
  void PrepareForChange();
  // Makes a borrowed weight the layer's own, a copy, and releases the parts of the borrowed one.
  void OwnWeight();
  // For the parts of a borrowed weight; null for any other.
  ReleaseMemory Releaser() const { return IsBorrowed() ? release_ : nullptr; }
  // Releases a borrowed weight as a whole.
  void ReleaseWeight() const;

  at::Tensor weight_, bias_;

 private:
  at::Tensor borrowed_;  // undefined: none
  ReleaseMemory release_;
  bool keeps_float32_ = false;
  bool replaced_ = false;  // weight() is read no more
  bool dropped_ = false;
  int64_t prepared_version_ = 0;
};

struct ConvOptions {
  int64_t in_channels = 0;
  int64_t out_channels = 0;
  int64_t kernel = 3;
  int64_t stride = 1;
  int64_t padding = 1;
  bool bias = true;
  Activation activation = Activation::kNone;
  Init init = {};
};

// 2-d convolution with square kernels, followed by an optional norm and an
// activation.
class Conv : public PreparedLayer {
 public:
  explicit Conv(const ConvOptions& options);

  // The norm that Forward applies; the caller registers it under its own name.
  void SetNorm(std::shared_ptr<Norm> norm) { norm_ = std::move(norm); }

  // See the function of this name below.
  void UseGpuForm();

  // The weight and bias with a constant norm folded in, with which Forward convolves before
  // PrepareForInference.
  std::pair<at::Tensor, at::Tensor> FoldedWeights() const;

  // [N, in, H, W] -> [N, out, H', W'] in the memory format of x; contiguous after
  // PrepareForInference.
  at::Tensor Forward(const at::Tensor& x) const;
  BatchMap Forward(const BatchMap& x) const;

  // max(0, Forward(x) + other), for the shortcut of a residual block. The activation is
  // kNone. `other` has the parts of Forward(x). With `overwrite`, after PrepareForInference, the
  // parts of the result may lie in the memory of those of `other`, which must not be that of x, and
  // which nobody may use any more.
  BatchMap ForwardAddRelu(const BatchMap& x, const BatchMap& other, bool overwrite = false) const;

  // Forward(x) of maps that are moved in: a part of the result may lie in the memory of the part of
  // x if nothing else refers to that, after PrepareForInference.
  BatchMap ForwardConsuming(BatchMap x) const;

  // What Forward(x) consists of, if it is a packed convolution alone; else null. Valid until the
  // layer is prepared again or changed.
  const PackedConvolution* Packed(const BatchMap& x) const;

  // What Forward convolves with after PrepareForInference, a norm that it applies separately aside;
  // null if nothing is packed. Valid likewise.
  const PackedConvolution* packed() const { return packed_.get(); }

  void Reset(at::Generator generator);

  const ConvOptions& options() const { return options_; }
  const at::Tensor& weight() const { return weight_; }
  const at::Tensor& bias() const { return bias_; }  // undefined where there is none

 protected:
  bool Pack(Precision precision, const StoredLayer* stored) override;
  StoredLayer StorePacked() const override;
  void Unpack() override;
  bool IsPrepared() const override { return packed_ != nullptr || folded_.first.defined(); }
  int64_t Version() const override;

 private:
  // The weight and bias with the norm folded in.
  std::pair<at::Tensor, at::Tensor> Folded() const;
  // By what the weight is multiplied in that, and the bias. There must be a norm.
  std::pair<at::Tensor, at::Tensor> ScaleAndBias() const;
  // Whether no gradient is wanted of anything that Folded() reads.
  bool IsFrozen() const;
  // What is packed: the same, or without the norm that is applied separately.
  std::pair<at::Tensor, at::Tensor> ToPack() const;
  // The same from `stored`; a weight that is stored as panels has the shape alone.
  std::pair<at::Tensor, at::Tensor> ToPack(const StoredLayer& stored,
                                           const PackedConvolutionOptions& options) const;
  // The bias of ToPack(), for which the weight is not read.
  at::Tensor BiasToPack() const;
  // Whether the norm is applied separately to the result of Convolve.
  bool HasSeparateNorm() const;
  // Convolves without a separate norm, and with the ReLU only if it is packed.
  BatchMap Convolve(const BatchMap& x) const;
  // Forward without the care for KeepFloat32.
  BatchMap ForwardAsTyped(const BatchMap& x) const;

  ConvOptions options_;
  std::shared_ptr<Norm> norm_;
  // For inference: the packed convolution, or else the folded tensors.
  std::shared_ptr<const PackedConvolution> packed_;
  std::pair<at::Tensor, at::Tensor> folded_;
  // Only the convolution before a group norm is prepared.
  bool prepared_separate_norm_ = false;
  bool keeps_constants_ = false;
  mutable KeptTensors kept_;
};

// Fully connected layer.
class Linear : public PreparedLayer {
 public:
  Linear(int64_t in_features, int64_t out_features, const Init& init);

  // [N, in] -> [N, out]; contiguous.
  at::Tensor Forward(const at::Tensor& x, Activation activation = Activation::kNone) const;

  void Reset(at::Generator generator);

  const at::Tensor& weight() const { return weight_; }
  const at::Tensor& bias() const { return bias_; }

 protected:
  bool Pack(Precision precision, const StoredLayer* stored) override;
  StoredLayer StorePacked() const override;
  void Unpack() override { packed_ = nullptr; }
  bool IsPrepared() const override { return packed_ != nullptr; }
  int64_t Version() const override;

 private:
  at::Tensor RunPacked(const at::Tensor& x, bool relu) const;
  // Whether the product can be rcnn's own.
  bool CanMultiply(const at::Tensor& x) const;
  at::Tensor Multiply(const at::Tensor& x, bool relu) const;
  // Forward without the care for KeepFloat32.
  at::Tensor ForwardAsTyped(const at::Tensor& x, Activation activation) const;

  Init init_;
  std::shared_ptr<const Bfloat16Linear> packed_;
};

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

// A 2-d convolution with square kernels, followed by an optional norm and an activation. layers.h
// says what it does with these, and registers both in a network.
//
// Example:
//   Conv conv({.in_channels = 3, .out_channels = 64, .activation = Activation::kRelu});
//   const at::Tensor y = conv.Forward(images);

#ifndef RCNN_DETECTION_CONV_H_
#define RCNN_DETECTION_CONV_H_

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/convolution/precision.h"
#include "rcnn/detection/layer_tensors.h"
#include "rcnn/detection/norm.h"
#include "rcnn/detection/prepared_layer.h"

namespace rcnn::detection {

class PackedConvolution;
struct PackedConvolutionOptions;

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

// What a convolution computes in training together with those before and after it
// (convolution/training_epilogue.h).
struct ConvLinks {
  bool output_is_masked = false;
  bool masks_input = false;
  // Becomes x, for its other readers; null: there are none.
  BatchMap* input = nullptr;
};

class Conv : public PreparedLayer {
 public:
  explicit Conv(const ConvOptions& options);

  // The norm that Forward applies; the caller registers it under its own name.
  void SetNorm(std::shared_ptr<Norm> norm) { norm_ = std::move(norm); }

  // See the function of this name in layers.h.
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

  // Whether ForwardLinked can convolve float32 maps of these sizes, [N, C, H, W], on the CPU: it is
  // a convolution of rcnn's own with gradients, and no norm is applied separately.
  bool CanLink(at::IntArrayRef map) const;

  // [N, out, H', W'] of Forward of such maps.
  std::vector<int64_t> OutputSizes(at::IntArrayRef map) const;

  // Forward(x), or ForwardAddRelu(x, add) if `add` has parts, in training with `links`. CanLink
  // must hold for all parts.
  BatchMap ForwardLinked(const BatchMap& x, const BatchMap& add, const ConvLinks& links) const;

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
  // Convolves without a separate norm. What is packed has its own ReLU; else the parts of `add`, if
  // there are any, are added and then `relu` is applied.
  BatchMap Convolve(const BatchMap& x, const BatchMap& add, bool relu,
                    const ConvLinks& links = {}) const;
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

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONV_H_

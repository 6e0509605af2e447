// A fully connected layer. layers.h registers it in a network.
//
// Example:
//   Linear fc(1024, 81, {});
//   const at::Tensor y = fc.Forward(features, Activation::kRelu);

#ifndef RCNN_DETECTION_LINEAR_H_
#define RCNN_DETECTION_LINEAR_H_

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "rcnn/detection/convolution/precision.h"
#include "rcnn/detection/prepared_layer.h"

namespace rcnn::detection {

class Bfloat16Linear;

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

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_LINEAR_H_

// Turns a pooled RoI into the feature vector from which classes and boxes are
// predicted: fully connected layers, optionally after convolutions, or a ResNet's
// layer4.
//
// The layers are registered in the module that owns the head, under the names of
// detection/weights/names.md: conv1, conv1_norm, ..., fc6, fc7, or layer4.

#ifndef RCNN_DETECTION_BOX_HEAD_H_
#define RCNN_DETECTION_BOX_HEAD_H_

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <c10/util/Optional.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "rcnn/configs/model.pb.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/residual_layer.h"

namespace rcnn::detection {

// The generator for dropout; none outside training. Dropout draws by counters (ops/random_mask.h)
// under a key from the generator: the same mask on every device.
using OptionalGenerator = c10::optional<at::Generator>;

class BoxHead {
 public:
  virtual ~BoxHead() = default;

  // pooled [R, C, h, w] float32 -> [R, out_features()]. R may be 0. With a generator
  // (in training) dropout is applied if the config asks for it. The draws for a RoI follow from its
  // row in `draw_rows`, [R, 2] int64 on the device of `pooled` (RoiSamples::draw_rows); undefined:
  // from its place in `pooled`.
  at::Tensor Forward(const at::Tensor& pooled, const OptionalGenerator& generator,
                     const at::Tensor& draw_rows = {}) const {
    return Compute(pooled, generator, draw_rows);
  }

  int64_t out_features() const { return out_features_; }

 protected:
  explicit BoxHead(int64_t out_features) : out_features_(out_features) {}

 private:
  virtual at::Tensor Compute(const at::Tensor& pooled, const OptionalGenerator& generator,
                             const at::Tensor& draw_rows) const = 0;

  int64_t out_features_;
};

// Convolutions, then fully connected layers on the flattened result (channel, row,
// column).
class FcBoxHead : public BoxHead {
 public:
  // For pooled RoIs of in_channels x size x size.
  FcBoxHead(torch::nn::Module& owner, const configs::FcHeadConfig& config, int64_t in_channels,
            int64_t size);

 private:
  at::Tensor Compute(const at::Tensor& pooled, const OptionalGenerator& generator,
                     const at::Tensor& draw_rows) const override;
  at::Tensor Drop(const at::Tensor& x, const OptionalGenerator& generator,
                  const at::Tensor& draw_rows) const;

  double dropout_;
  bool scale_in_training_;
  std::vector<std::shared_ptr<Conv>> convs_;
  std::vector<std::shared_ptr<Linear>> fcs_;
};

// layer4 of a ResNet, then average pooling.
class Layer4BoxHead : public BoxHead {
 public:
  Layer4BoxHead(torch::nn::Module& owner, const ResNetShape& shape, int64_t stride,
                const NormOptions& norm);

 private:
  at::Tensor Compute(const at::Tensor& pooled, const OptionalGenerator& generator,
                     const at::Tensor& draw_rows) const override;

  std::shared_ptr<ResidualLayer> layer4_;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_BOX_HEAD_H_

// A layer of a ResNet: residual blocks of which the first may change stride and
// channels. Backbones have four of them; a C4 detector has the last in its head.
//
// Source: He et al., arXiv:1512.03385. The stride of a bottleneck is in its 3x3
// convolution, as in torchvision (the paper has it in the first 1x1).

#ifndef RCNN_DETECTION_RESIDUAL_LAYER_H_
#define RCNN_DETECTION_RESIDUAL_LAYER_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/conv_chain.h"
#include "rcnn/detection/layers.h"

namespace rcnn::detection {

// The sizes of a ResNet.
struct ResNetShape {
  // Blocks of layer1..layer4.
  std::vector<int64_t> blocks;
  bool bottleneck = false;

  // Output channels of layer 1..4.
  int64_t OutChannels(int64_t layer) const { return (bottleneck ? 256 : 64) << (layer - 1); }
};
// Depth 18 and 34 (two 3x3 convolutions per block), 50 and 101 (bottlenecks). Throws
// c10::Error on any other.
ResNetShape FindResNetShape(int64_t depth);

class ResidualBlock : public torch::nn::Module {
 public:
  // `width`: channels inside the block; a bottleneck has 4 times as many at its output.
  ResidualBlock(int64_t in_channels, int64_t width, int64_t stride, bool bottleneck,
                const NormOptions& norm);

  // With `overwrite`, after PrepareForInference, the parts of the result may lie in the memory of
  // those of x, which nobody may use any more.
  BatchMap Forward(const BatchMap& x, bool overwrite = false) const;

  // Forward(x) in training, up to rounding, with gradients that are masked by ReLUs and added up
  // while they are computed, rather than in passes of their own. `masks_input`: x is the output of
  // a ReLU, and its gradient is masked. `output_is_masked`: all readers of the result do so.
  // CanLink(sizes) must hold of x, float32 on the CPU.
  BatchMap ForwardLinked(const BatchMap& x, bool masks_input, bool output_is_masked) const;

  // Whether all convolutions but that of the shortcut can be linked (conv_chain.h).
  bool CanLink(const MapSizes& x) const;
  // Those of Forward(x).
  MapSizes OutputSizes(const MapSizes& x) const;

 private:
  std::vector<std::shared_ptr<Conv>> convs_;
  std::shared_ptr<Conv> downsample_;  // null if the input has the right shape
};

// layer1..layer4 of `shape`, as a module with children "0", "1", ...
class ResidualLayer : public torch::nn::Module {
 public:
  ResidualLayer(const ResNetShape& shape, int64_t layer, int64_t stride, const NormOptions& norm);

  at::Tensor Forward(const at::Tensor& x) const;
  // A map that is moved in is freed after the first block.
  BatchMap Forward(BatchMap x) const;

 private:
  // Which blocks are linked in training, for maps x; none without gradients.
  std::vector<bool> FindLinked(const BatchMap& x) const;

  std::vector<std::shared_ptr<ResidualBlock>> blocks_;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_RESIDUAL_LAYER_H_

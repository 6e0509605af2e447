// A convolution as a matrix product with bfloat16 operands and float32 sums.
//
// Any kernel, stride and padding, for inference on the CPU. Inputs are float32 and are rounded
// while columns are packed from the planes (patch_lanes.h), so there is no matrix of patches. Bias,
// a second summand (the shortcut of a residual block) and a ReLU are applied while the sums are in
// registers. 3 x 3 convolutions of stride 1 need fewer multiplications in bfloat16_winograd.h.
//
// Example:
//   Bfloat16ConvolutionShape shape;
//   shape.out_channels = 64;
//   shape.in_channels = 256;
//   const Bfloat16Convolution conv(weight.data_ptr<float>(), bias, shape);
//   conv.Run(x.data_ptr<float>(), {1, 600, 800}, nullptr, /*relu=*/true, y.data_ptr<float>());

#ifndef RCNN_DETECTION_CONVOLUTION_BFLOAT16_CONVOLUTION_H_
#define RCNN_DETECTION_CONVOLUTION_BFLOAT16_CONVOLUTION_H_

#include <cstdint>
#include <vector>

#include "rcnn/detection/convolution/bfloat16_panels.h"
#include "rcnn/detection/convolution/patch_lanes.h"
#include "rcnn/detection/convolution/stored_panels.h"

namespace rcnn::detection {

struct Bfloat16ConvolutionShape {
  int64_t out_channels = 0, in_channels = 0;
  int64_t kernel = 1, stride = 1, padding = 0;
};

// Of maps.
struct MapsShape {
  int64_t batch, height, width;
};

class Bfloat16Convolution {
 public:
  // weight [out_channels, in_channels, kernel, kernel]; bias [out_channels] or null. With `stored`,
  // the panels() of an equal convolution, `weight` is not read; throws std::invalid_argument if
  // they have another size.
  Bfloat16Convolution(const float* weight, const float* bias, const Bfloat16ConvolutionShape& shape,
                      const StoredPanels& stored = {});

  // x [batch, in_channels, height, width] -> y [batch, out_channels, H', W'], both dense, and not
  // the same memory, except where kernel and stride are 1 and both have the same number of
  // channels. The padded map must hold the kernel. `add`, of y's shape, is added before the ReLU;
  // may be null, or y itself unless that is x. Thread-safe; uses LibTorch's threads.
  void Run(const float* x, const MapsShape& maps, const float* add, bool relu, float* y) const;

  // The packed weights.
  StoredPanels panels() const { return weight_.stored(); }

 private:
  struct Block;

  AlignedBfloat16s PackWeights(const float* weight, int64_t count) const;
  int64_t Pairs() const;
  SlidingWindow Window(const MapsShape& maps) const;
  void PackBlock(const Block& block, const float* x, Bfloat16* columns) const;
  void MultiplyBlock(const Block& block, const float* add, bool relu, const Bfloat16* columns,
                     float* y) const;

  const Bfloat16Kernels& kernels_;
  Bfloat16ConvolutionShape shape_;
  std::vector<float> bias_;  // of a multiple of 16
  // Row panels; over the depth: row and column of the kernel, channel.
  PackedPanels<Bfloat16> weight_;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_BFLOAT16_CONVOLUTION_H_

// 1 x 1 convolution with stride 1 as a matrix product that reads and writes planes
// directly.
//
// float32 on the CPU, for inference. Bias, a second summand (the shortcut of a residual
// block) and a ReLU are applied while the sums are in registers. panel_product.h has the
// inner part and why it is fast.
//
// Example:
//   PointwiseConvolution conv(weight.data_ptr<float>(), bias, 256, 64);
//   conv.Run(x.data_ptr<float>(), 1, 200 * 272, nullptr, /*relu=*/true, y.data_ptr<float>());

#ifndef RCNN_DETECTION_CONVOLUTION_POINTWISE_H_
#define RCNN_DETECTION_CONVOLUTION_POINTWISE_H_

#include <cstdint>
#include <vector>

#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/convolution/row_panels.h"
#include "rcnn/detection/convolution/stored_panels.h"

namespace rcnn::detection {

class PointwiseConvolution {
 public:
  // weight [out_channels, in_channels]; bias [out_channels] or null.
  // PanelProductAvailable() must hold. With `stored`, the panels() of an equal convolution at the
  // same instruction level, `weight` is not read; throws std::invalid_argument if they have another
  // size.
  PointwiseConvolution(const float* weight, const float* bias, int64_t out_channels,
                       int64_t in_channels, const StoredPanels& stored = {});

  // For a single call of Run, as in training (row_panels.h). `weight`: a matrix of out_channels
  // rows. The same bits.
  static PointwiseConvolution ForOneRun(const float* weight, MatrixOrder order, const float* bias,
                                        int64_t out_channels, int64_t in_channels);

  // x [batch, in_channels, area] -> y [batch, out_channels, area], both dense. They may be
  // the same memory if they have the same number of channels, else not. `add`, of y's shape, is
  // added before the ReLU; may be null, or y itself unless that is x. `mask`, of y's shape: where
  // it is at most 0, the result is 0, as in the gradient of a ReLU; may be null. Thread-safe; uses
  // LibTorch's threads.
  void Run(const float* x, int64_t batch, int64_t area, const float* add, bool relu, float* y,
           const float* mask = nullptr) const;

  // The packed weights.
  StoredPanels panels() const { return weight_.stored(); }

 private:
  struct Job;
  struct Block;

  // Without weights.
  PointwiseConvolution(const float* bias, int64_t out_channels, int64_t in_channels);

  // Of weight_.
  int64_t NumWeights() const { return static_cast<int64_t>(bias_.size()) * in_channels_; }
  AlignedFloats PackWeights(const float* weight) const;

  void RunBlock(const Job& job, const Block& block, float* columns) const;

  const PanelKernel& kernel_;
  int64_t out_channels_, in_channels_;
  std::vector<float> bias_;     // of a multiple of the kernel's rows
  PackedPanels<float> weight_;  // row panels
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_POINTWISE_H_

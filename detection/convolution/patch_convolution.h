// A convolution as a matrix product, for any square kernel, stride and padding.
//
// float32 on the CPU, for inference: the strided convolutions of a ResNet, 7 x 7, 3 x 3 and 1 x 1,
// and the first one of a network, which has too few channels for winograd.h. Columns of the product
// are packed from the planes (patch_lanes.h), so there is no matrix of patches, and of a map with a
// stride only those pixels are packed that an output needs. Bias, a second summand (the shortcut of
// a residual block) and a ReLU are applied while the sums are in registers.
//
// An output is a chain of multiply-adds in chunks of kPanelChunk over the depth, which is channel,
// row and column of the kernel: the same bits at every level of instructions, for any number of
// threads, and in a part of a map.
//
// Example:
//   const PatchConvolution conv(weight.data_ptr<float>(), bias, 64, 3, {7, 2, 3});
//   conv.Run(x.data_ptr<float>(), 1, 800, 1088, nullptr, /*relu=*/true, y.data_ptr<float>());

#ifndef RCNN_DETECTION_CONVOLUTION_PATCH_CONVOLUTION_H_
#define RCNN_DETECTION_CONVOLUTION_PATCH_CONVOLUTION_H_

#include <cstdint>
#include <vector>

#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/convolution/plane_kernels.h"
#include "rcnn/detection/convolution/stored_panels.h"
#include "rcnn/detection/convolution/tile_grid.h"

namespace rcnn::detection {

// A square kernel, and how it moves.
struct PatchKernel {
  int64_t size = 1, stride = 1, padding = 0;
};

// The sizes of a convolution with such a kernel; height and width are those of its input.
struct PatchShape {
  int64_t batch, in_channels, out_channels, height, width;
  PatchKernel kernel;
};

// Some rows of a result, and the rows of both maps that are in memory: of the input at least those
// that the result depends on.
struct PatchRows {
  StoredRows input, output;
  int64_t begin, end;
};

class PatchConvolution {
 public:
  // weight [out_channels, in_channels, size, size]; bias [out_channels] or null.
  // PanelProductAvailable() must hold. With `stored`, the panels() of an equal convolution at the
  // same instruction level, `weight` is not read; throws std::invalid_argument if they have another
  // size.
  PatchConvolution(const float* weight, const float* bias, int64_t out_channels,
                   int64_t in_channels, const PatchKernel& kernel, const StoredPanels& stored = {});

  // For a single call of Run, as in training (row_panels.h). The same bits.
  static PatchConvolution ForOneRun(const float* weight, const float* bias, int64_t out_channels,
                                    int64_t in_channels, const PatchKernel& kernel);

  // x [batch, in_channels, height, width] -> y [batch, out_channels, H', W'], both dense, and not
  // the same memory. The padded map must hold the kernel. `add`, of y's shape, is added before the
  // ReLU; may be null, or y itself. Thread-safe; uses LibTorch's threads.
  void Run(const float* x, int64_t batch, int64_t height, int64_t width, const float* add,
           bool relu, float* y) const;

  // Rows begin to end - 1 of the result of Run for one image, the same bits: x [in_channels,
  // rows.input.count, width] of a map of `height` rows -> y [out_channels, rows.output.count, W'].
  void RunRows(const float* x, int64_t height, int64_t width, const PatchRows& rows, bool relu,
               float* y) const;

  // The packed weights.
  StoredPanels panels() const { return weight_.stored(); }

 private:
  struct Job;
  struct Panel;
  class Block;

  // Without weights.
  PatchConvolution(const float* bias, int64_t out_channels, int64_t in_channels,
                   const PatchKernel& kernel);

  int64_t Depth() const { return kernel_.size * kernel_.size * in_channels_; }

  // Of weight_.
  int64_t NumWeights() const { return static_cast<int64_t>(bias_.size()) * Depth(); }
  AlignedFloats PackWeights(const float* weight) const;
  // Of each row of the depth, from the pixel of the kernel's first row and column.
  std::vector<int64_t> FindOffsets(const Job& job) const;

  void RunJob(const Job& job) const;
  // Adds the products of rows [begin, end) of the depth, which are in `columns`, to what earlier
  // rows gave.
  void MultiplyPart(const Job& job, const std::vector<Panel>& panels, int64_t begin, int64_t end,
                    const float* columns) const;

  const PanelKernel& product_;
  const PlaneKernel& planes_;
  int64_t out_channels_, in_channels_;
  PatchKernel kernel_;
  std::vector<float> bias_;     // of a multiple of the product's rows
  PackedPanels<float> weight_;  // row panels
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_PATCH_CONVOLUTION_H_

#include "rcnn/detection/convolution/pointwise.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "rcnn/detection/convolution/part_tile.h"

namespace rcnn::detection {
namespace {

// Column panels are packed together and multiplied with each row panel: as many as take this many
// bytes, a quarter of a core's second-level cache. The more, the more of a channel's cells are read
// in a row, and the more often a row panel is used while it is in the first-level cache.
constexpr int64_t kBlockBytes = 256 << 10;
constexpr int64_t kMinBlockPanels = 4, kMaxBlockPanels = 32;

int64_t BlockPanels(int64_t in_channels) {
  const int64_t bytes =
      std::max<int64_t>(1, in_channels) * kPanelColumns * static_cast<int64_t>(sizeof(float));
  return std::clamp(kBlockBytes / bytes, kMinBlockPanels, kMaxBlockPanels);
}

}  // namespace

// The arguments of Run.
struct PointwiseConvolution::Job {
  const float* x;
  int64_t area;
  const float* add;
  bool relu;
  float* y;
  const float* mask;
};

// Columns [begin, end) of one image.
struct PointwiseConvolution::Block {
  int64_t image, begin, end;
};

PointwiseConvolution::PointwiseConvolution(const float* bias, int64_t out_channels,
                                           int64_t in_channels)
    : kernel_(CurrentPanelKernel()),
      out_channels_(out_channels),
      in_channels_(in_channels),
      bias_(NumPanels(out_channels, kernel_.rows) * kernel_.rows) {
  if (bias != nullptr) std::copy(bias, bias + out_channels, bias_.begin());
}

PointwiseConvolution::PointwiseConvolution(const float* weight, const float* bias,
                                           int64_t out_channels, int64_t in_channels,
                                           const StoredPanels& stored)
    : PointwiseConvolution(bias, out_channels, in_channels) {
  weight_ = stored.data != nullptr ? PackedPanels<float>(stored, NumWeights())
                                   : PackedPanels<float>(PackWeights(weight), NumWeights());
}

PointwiseConvolution PointwiseConvolution::ForOneRun(const float* weight, MatrixOrder order,
                                                     const float* bias, int64_t out_channels,
                                                     int64_t in_channels) {
  PointwiseConvolution convolution(bias, out_channels, in_channels);
  convolution.weight_ = PackedPanels<float>(
      PackRowPanels(convolution.kernel_, weight, order, out_channels, in_channels),
      convolution.NumWeights());
  return convolution;
}

AlignedFloats PointwiseConvolution::PackWeights(const float* weight) const {
  AlignedFloats packed = AllocateLastingFloats(NumWeights());
  PackRows(weight, out_channels_, in_channels_, in_channels_, kernel_.rows, &packed[0]);
  return packed;
}

// All channels of the block are packed before the first is written, and no other block reads them:
// y may be x.
void PointwiseConvolution::RunBlock(const Job& job, const Block& block, float* columns) const {
  const int64_t area = job.area, panel = in_channels_ * kPanelColumns;
  kernel_.pack_columns(job.x + block.image * in_channels_ * area + block.begin,
                       block.end - block.begin, in_channels_, area, columns);
  TileOptions options;
  options.add_stride = options.mask_stride = area;
  options.relu = job.relu;
  for (int64_t k = 0; k < out_channels_; k += kernel_.rows) {
    const int64_t num_rows = std::min(kernel_.rows, out_channels_ - k);
    options.bias = &bias_[k];
    for (int64_t at = block.begin, p = 0; at < block.end; at += kPanelColumns, ++p) {
      const int64_t num_columns = std::min(kPanelColumns, block.end - at);
      const int64_t offset = (block.image * out_channels_ + k) * area + at;
      const float* rows = &weight_[k * in_channels_];
      if (job.add != nullptr) {
        options.add = job.add + offset;
        PrefetchTile(options.add + kPanelColumns, num_rows, area);
      }
      if (job.mask != nullptr) {
        options.mask = job.mask + offset;
        PrefetchTile(options.mask + kPanelColumns, num_rows, area);
      }
      PrefetchTile(job.y + offset + kPanelColumns, num_rows, area);
      const auto multiply = [&](const TileOptions& whole, float* tile, int64_t stride) {
        MultiplyPanels(kernel_, rows, columns + p * panel, in_channels_, whole, tile, stride);
      };
      if (num_rows == kernel_.rows && num_columns == kPanelColumns) {
        multiply(options, job.y + offset, area);
      } else {
        MultiplyPartTile(num_rows, num_columns, options, job.y + offset, area, multiply);
      }
    }
  }
}

void PointwiseConvolution::Run(const float* x, int64_t batch, int64_t area, const float* add,
                               bool relu, float* y, const float* mask) const {
  const Job job = {x, area, add, relu, y, mask};
  const int64_t panels = NumPanels(area, kPanelColumns);
  at::parallel_for(0, batch * panels, 1, [&](int64_t begin, int64_t end) {
    const int64_t size = std::min({BlockPanels(in_channels_), panels, end - begin});
    const AlignedFloats columns = AllocateFloats(in_channels_ * size * kPanelColumns);
    for (int64_t i = begin, next; i < end; i = next) {
      const int64_t image = i / panels, first = i % panels;
      next = std::min({i + size, (image + 1) * panels, end});
      RunBlock(job,
               {image, first * kPanelColumns, std::min((first + next - i) * kPanelColumns, area)},
               &columns[0]);
    }
  });
}

}  // namespace rcnn::detection

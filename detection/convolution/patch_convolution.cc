// y [K, outputs] = weight [K, depth] times patches [depth, outputs], depth = positions of the
// kernel times channels. A thread computes its outputs in blocks:
//
//   for each part of the depth
//     pack the part of the block's column panels     PackPanel, from the planes
//     for each row panel of the weights              MultiplyPart
//       add its product with each column panel to y
//
// Why it is fast: a part of the block's columns stays in a core's second-level cache for all row
// panels, and the part of a row panel in the first-level one for all column panels. A pixel is
// packed once for each position of the kernel that sees it, for all K outputs.
//
// Invariants:
//   A part begins at a multiple of kPanelChunk, so the sums have the bits of a product of the whole
//   depth, with y in place of the registers between two parts.
//   A panel has outputs of one image; a block may have those of several, so that small maps share
//   the weights too. Columns beyond the last output are zero.

#include "rcnn/detection/convolution/patch_convolution.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "rcnn/base/instruction_level.h"
#include "rcnn/detection/convolution/part_tile.h"
#include "rcnn/detection/convolution/patch_lanes.h"

namespace rcnn::detection {
namespace {

constexpr int64_t kPartDepth = 256;
static_assert(kPartDepth % kPanelChunk == 0 && kPlaneLanes == kPanelColumns);
// Bytes of a part of a block's column panels.
constexpr int64_t kBlockBytes = 256 << 10;
constexpr int64_t kMaxBlockPanels = 32;

// The most column panels of a block.
int64_t BlockPanels(int64_t depth) {
  const int64_t bytes = std::clamp<int64_t>(depth, 1, kPartDepth) * kPanelColumns *
                        static_cast<int64_t>(sizeof(float));
  return std::min(kBlockBytes / bytes, kMaxBlockPanels);
}

}  // namespace

// Outputs [begin, end) of each image. Planes need not be in memory as a whole: x and y point to
// where the first pixel of the first plane is or would be.
struct PatchConvolution::Job {
  SlidingWindow window;
  int64_t batch, begin, end;
  const float* x;
  int64_t x_plane;  // floats between planes
  float* y;
  int64_t y_plane;
  const float* add;  // as y; or null
  bool relu;

  int64_t PanelsOfImage() const { return NumPanels(end - begin, kPanelColumns); }

  // `index` counts the panels of all images.
  Panel GetPanel(int64_t index) const;
};

// Up to kPanelColumns outputs of an image, from `first` on.
struct PatchConvolution::Panel {
  int64_t image, first, count;
};

PatchConvolution::Panel PatchConvolution::Job::GetPanel(int64_t index) const {
  const int64_t first = begin + index % PanelsOfImage() * kPanelColumns;
  return {index / PanelsOfImage(), first, std::min(kPanelColumns, end - first)};
}

PatchConvolution::PatchConvolution(const float* weight, const float* bias, int64_t out_channels,
                                   int64_t in_channels, const PatchKernel& kernel,
                                   const StoredPanels& stored)
    : product_(CurrentPanelKernel()),
      planes_(GetPlaneKernel(CurrentInstructionLevel())),
      out_channels_(out_channels),
      in_channels_(in_channels),
      kernel_(kernel),
      bias_(NumPanels(out_channels, product_.rows) * product_.rows) {
  if (bias != nullptr) std::copy(bias, bias + out_channels, bias_.begin());
  const int64_t count = static_cast<int64_t>(bias_.size()) * Depth();
  weight_ = stored.data != nullptr ? PackedPanels<float>(stored, count)
                                   : PackedPanels<float>(PackWeights(weight, count), count);
}

AlignedFloats PatchConvolution::PackWeights(const float* weight, int64_t count) const {
  const int64_t positions = kernel_.size * kernel_.size, depth = Depth();
  AlignedFloats packed = AllocateLastingFloats(count);
  std::vector<float> rows(product_.rows * depth);
  for (int64_t k = 0; k < out_channels_; k += product_.rows) {
    const int64_t num_rows = std::min(product_.rows, out_channels_ - k);
    for (int64_t r = 0; r < num_rows; ++r) {
      const float* kernel = weight + (k + r) * depth;
      for (int64_t t = 0; t < positions; ++t) {
        float* row = &rows[r * depth + t * in_channels_];
        for (int64_t c = 0; c < in_channels_; ++c) row[c] = kernel[c * positions + t];
      }
    }
    PackRows(rows.data(), num_rows, depth, depth, product_.rows, &packed[k * depth]);
  }
  return packed;
}

std::vector<int64_t> PatchConvolution::FindOffsets(const Job& job) const {
  std::vector<int64_t> offsets;
  offsets.reserve(static_cast<size_t>(Depth()));
  for (int64_t i = 0; i < kernel_.size; ++i) {
    for (int64_t j = 0; j < kernel_.size; ++j) {
      for (int64_t c = 0; c < in_channels_; ++c) {
        offsets.push_back(c * job.x_plane + i * job.window.width + j);
      }
    }
  }
  return offsets;
}

void PatchConvolution::PackPanel(const Job& job, const Panel& panel,
                                 const std::vector<int64_t>& offsets, int64_t begin, int64_t end,
                                 float* columns) const {
  const LaneRows outputs(job.window, panel.first, panel.count);
  PlaneRows rows;
  rows.floats = job.x + panel.image * in_channels_ * job.x_plane;
  rows.step = kernel_.stride;
  if (outputs.is_inside()) {
    const PatchLanes lanes(job.window, outputs, 0, 0);
    rows.offsets = offsets.data() + begin;
    rows.count = end - begin;
    rows.segments = lanes.segments();
    rows.num_segments = lanes.size();
    planes_.pack(rows, columns);
    return;
  }
  // In each position other lanes are in the padding. Its channels are those of the first position.
  for (int64_t d = begin; d < end; d += rows.count, columns += rows.count * kPanelColumns) {
    const int64_t position = d / in_channels_, channel = d % in_channels_;
    const PatchLanes lanes(job.window, outputs, position / kernel_.size, position % kernel_.size);
    rows.offsets = offsets.data() + channel;
    rows.count = std::min(in_channels_ - channel, end - d);
    rows.segments = lanes.segments();
    rows.num_segments = lanes.size();
    planes_.pack(rows, columns);
  }
}

void PatchConvolution::MultiplyPart(const Job& job, const std::vector<Panel>& panels, int64_t begin,
                                    int64_t end, const float* columns) const {
  const int64_t depth = Depth(), size = (end - begin) * kPanelColumns;
  TileOptions options;
  options.add_stride = job.y_plane;
  options.relu = job.relu && end == depth;
  for (int64_t k = 0; k < out_channels_; k += product_.rows) {
    const int64_t num_rows = std::min(product_.rows, out_channels_ - k);
    const float* rows = &weight_[k * depth + begin * product_.rows];
    if (begin == 0) options.bias = &bias_[k];
    const float* column = columns;
    for (const Panel& panel : panels) {
      const int64_t offset = (panel.image * out_channels_ + k) * job.y_plane + panel.first;
      if (begin > 0) {
        options.add = job.y + offset;
      } else if (job.add != nullptr) {
        options.add = job.add + offset;
      }
      const auto multiply = [&](const TileOptions& whole, float* tile, int64_t stride) {
        MultiplyPanels(product_, rows, column, end - begin, whole, tile, stride);
      };
      if (num_rows == product_.rows && panel.count == kPanelColumns) {
        multiply(options, job.y + offset, job.y_plane);
      } else {
        MultiplyPartTile(num_rows, panel.count, options, job.y + offset, job.y_plane, multiply);
      }
      column += size;
    }
  }
}

void PatchConvolution::RunJob(const Job& job) const {
  if (job.batch == 0 || job.begin == job.end) return;
  const int64_t depth = Depth();
  const std::vector<int64_t> offsets = FindOffsets(job);
  at::parallel_for(0, job.batch * job.PanelsOfImage(), 1, [&](int64_t first, int64_t last) {
    const int64_t size = std::min(BlockPanels(depth), last - first);
    const AlignedFloats columns =
        AllocateFloats(size * std::min(depth, kPartDepth) * kPanelColumns);
    std::vector<Panel> panels;
    for (int64_t block = first; block < last; block += size) {
      panels.clear();
      for (int64_t i = block; i < std::min(block + size, last); ++i) {
        panels.push_back(job.GetPanel(i));
      }
      int64_t begin = 0;
      do {
        const int64_t end = std::min(begin + kPartDepth, depth);
        float* column = &columns[0];
        for (const Panel& panel : panels) {
          PackPanel(job, panel, offsets, begin, end, column);
          column += (end - begin) * kPanelColumns;
        }
        MultiplyPart(job, panels, begin, end, &columns[0]);
        begin = end;
      } while (begin < depth);
    }
  });
}

void PatchConvolution::Run(const float* x, int64_t batch, int64_t height, int64_t width,
                           const float* add, bool relu, float* y) const {
  const SlidingWindow window(height, width, kernel_.size, kernel_.stride, kernel_.padding);
  const int64_t outputs = window.out_height * window.out_width;
  RunJob({window, batch, 0, outputs, x, height * width, y, outputs, add, relu});
}

void PatchConvolution::RunRows(const float* x, int64_t height, int64_t width, const PatchRows& rows,
                               bool relu, float* y) const {
  const SlidingWindow window(height, width, kernel_.size, kernel_.stride, kernel_.padding);
  const int64_t out_width = window.out_width;
  RunJob({window, 1, rows.begin * out_width, rows.end * out_width, x - rows.input.first * width,
          rows.input.count * width, y - rows.output.first * out_width,
          rows.output.count * out_width, nullptr, relu});
}

}  // namespace rcnn::detection

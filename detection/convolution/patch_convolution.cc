// y [K, outputs] = weight [K, depth] times patches [depth, outputs], depth = positions of the
// kernel times channels. A thread computes its outputs in blocks:
//
//   for each part of the depth
//     pack the part of the block's column panels     Block::Pack, from the planes
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
#include "rcnn/detection/convolution/row_panels.h"

namespace rcnn::detection {
namespace {

constexpr int64_t kPartDepth = 256;
static_assert(kPartDepth % kPanelChunk == 0 && kPlaneLanes == kPanelColumns);
// Bytes of a part of a block's column panels.
constexpr int64_t kBlockBytes = 256 << 10;
constexpr int64_t kMaxBlockPanels = 32;
// By how many channels pixels are prefetched where the kernel is a single one.
constexpr int64_t kPrefetchedChannels = 2;

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

PatchConvolution::PatchConvolution(const float* bias, int64_t out_channels, int64_t in_channels,
                                   const PatchKernel& kernel)
    : product_(CurrentPanelKernel()),
      planes_(GetPlaneKernel(CurrentInstructionLevel())),
      out_channels_(out_channels),
      in_channels_(in_channels),
      kernel_(kernel),
      bias_(NumPanels(out_channels, product_.rows) * product_.rows) {
  if (bias != nullptr) std::copy(bias, bias + out_channels, bias_.begin());
}

PatchConvolution::PatchConvolution(const float* weight, const float* bias, int64_t out_channels,
                                   int64_t in_channels, const PatchKernel& kernel,
                                   const StoredPanels& stored)
    : PatchConvolution(bias, out_channels, in_channels, kernel) {
  weight_ = stored.data != nullptr ? PackedPanels<float>(stored, NumWeights())
                                   : PackedPanels<float>(PackWeights(weight), NumWeights());
}

PatchConvolution PatchConvolution::ForOneRun(const float* weight, const float* bias,
                                             int64_t out_channels, int64_t in_channels,
                                             const PatchKernel& kernel) {
  PatchConvolution convolution(bias, out_channels, in_channels, kernel);
  convolution.weight_ =
      PackedPanels<float>(PackRowPanels(convolution.product_, weight, MatrixOrder::kRows,
                                        out_channels, convolution.Depth()),
                          convolution.NumWeights());
  return convolution;
}

AlignedFloats PatchConvolution::PackWeights(const float* weight) const {
  const int64_t depth = Depth();
  AlignedFloats packed = AllocateLastingFloats(NumWeights());
  for (int64_t k = 0; k < out_channels_; k += product_.rows) {
    PackRows(weight + k * depth, std::min(product_.rows, out_channels_ - k), depth, depth,
             product_.rows, &packed[k * depth]);
  }
  return packed;
}

std::vector<int64_t> PatchConvolution::FindOffsets(const Job& job) const {
  std::vector<int64_t> offsets;
  offsets.reserve(static_cast<size_t>(Depth()));
  for (int64_t c = 0; c < in_channels_; ++c) {
    for (int64_t i = 0; i < kernel_.size; ++i) {
      for (int64_t j = 0; j < kernel_.size; ++j) {
        offsets.push_back(c * job.x_plane + i * job.window.width + j);
      }
    }
  }
  return offsets;
}

// The panels that a thread packs together. Those inside the map have the same lanes at every
// position of the kernel, shifted by the rows' offsets. Of the others each position has lanes of
// its own, and its rows are those of all channels.
class PatchConvolution::Block {
 public:
  Block(const PatchConvolution& convolution, const Job& job, const std::vector<int64_t>& offsets)
      : convolution_(convolution), job_(job), offsets_(offsets) {
    for (int64_t c = 0; c < convolution.in_channels_; ++c) planes_.push_back(c * job.x_plane);
  }

  // Panels [begin, end) of the job.
  void SetPanels(int64_t begin, int64_t end) {
    panels_.clear();
    inside_.clear();
    edges_.clear();
    segments_.clear();
    for (int64_t i = begin; i < end; ++i) {
      panels_.push_back(job_.GetPanel(i));
      const Panel& panel = panels_.back();
      const LaneRows rows(job_.window, panel.first, panel.count);
      if (rows.is_inside()) {
        inside_.push_back(AddLanes(i - begin, rows, 0));
        continue;
      }
      for (int64_t t = 0; t < Positions(); ++t) edges_.push_back(AddLanes(i - begin, rows, t));
    }
  }

  const std::vector<Panel>& panels() const { return panels_; }

  // Rows [begin, end) of the depth to columns [panels().size()][end - begin, kPanelColumns].
  void Pack(int64_t begin, int64_t end, float* columns) {
    PackInside(begin, end, columns);
    for (size_t e = 0; e < edges_.size(); ++e) {
      const int64_t t = static_cast<int64_t>(e) % Positions();
      PackPosition(edges_[e], t, begin, end, columns);
    }
  }

 private:
  // The segments of a panel of the block.
  struct PanelLanes {
    int64_t panel;
    size_t first;
    int64_t count;
  };

  int64_t Positions() const { return convolution_.kernel_.size * convolution_.kernel_.size; }

  PanelLanes AddLanes(int64_t panel, const LaneRows& rows, int64_t position) {
    const int64_t size = convolution_.kernel_.size;
    const PatchLanes lanes(job_.window, rows, position / size, position % size,
                           panels_.back().image * convolution_.in_channels_ * job_.x_plane);
    segments_.insert(segments_.end(), lanes.segments(), lanes.segments() + lanes.size());
    return {panel, segments_.size() - static_cast<size_t>(lanes.size()), lanes.size()};
  }

  PlaneRows MakeRows() const {
    PlaneRows rows;
    rows.floats = job_.x;
    rows.step = convolution_.kernel_.stride;
    return rows;
  }

  // Once for each row of the kernel, the pixels of the next channel are prefetched.
  void PackInside(int64_t begin, int64_t end, float* columns) {
    targets_.clear();
    for (const PanelLanes& inside : inside_) {
      targets_.push_back({segments_.data() + inside.first, inside.count,
                          columns + inside.panel * (end - begin) * kPanelColumns});
    }
    PlaneRows rows = MakeRows();
    rows.offsets = offsets_.data() + begin;
    rows.count = end - begin;
    rows.prefetch_every = convolution_.kernel_.size;
    rows.prefetched_rows = Positions() > 1 ? Positions() : kPrefetchedChannels;
    convolution_.planes_.pack(rows, targets_.data(), static_cast<int64_t>(targets_.size()));
  }

  // The rows of position t: those of the depth at t, t + Positions(), ...
  void PackPosition(const PanelLanes& edge, int64_t t, int64_t begin, int64_t end,
                    float* columns) const {
    const int64_t first = std::max<int64_t>(0, begin - t + Positions() - 1) / Positions();
    const int64_t last = std::max<int64_t>(0, end - t + Positions() - 1) / Positions();
    PlaneRows rows = MakeRows();
    rows.offsets = planes_.data() + first;
    rows.count = last - first;
    rows.row_stride = Positions() * kPanelColumns;
    const PlanePanel target = {
        segments_.data() + edge.first, edge.count,
        columns + (edge.panel * (end - begin) + first * Positions() + t - begin) * kPanelColumns};
    if (rows.count > 0) convolution_.planes_.pack(rows, &target, 1);
  }

  const PatchConvolution& convolution_;
  const Job& job_;
  const std::vector<int64_t>& offsets_;
  std::vector<int64_t> planes_;  // where those of an image begin
  std::vector<Panel> panels_;
  std::vector<LaneSegment> segments_;
  std::vector<PanelLanes> inside_, edges_;
  std::vector<PlanePanel> targets_;
};

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
        PrefetchTile(options.add + kPanelColumns, num_rows, job.y_plane);
      }
      PrefetchTile(job.y + offset + kPanelColumns, num_rows, job.y_plane);
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
    Block block(*this, job, offsets);
    for (int64_t i = first; i < last; i += size) {
      block.SetPanels(i, std::min(i + size, last));
      int64_t begin = 0;
      do {
        const int64_t end = std::min(begin + kPartDepth, depth);
        block.Pack(begin, end, &columns[0]);
        MultiplyPart(job, block.panels(), begin, end, &columns[0]);
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

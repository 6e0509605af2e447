// Pixel y of a column of the map is seen by output o at row i of the kernel if y = s o + i - p,
// with stride s and padding p. With y + p = s Y + a, 0 <= a < s, these are
//
//   i = a + s q,  o = Y - q      for q = 0, 1, ... while i is in the kernel
//
// and likewise for columns, X, b and r. So the pixels of class (a, b), at cells (Y, X), are
//
//   dx[c](s Y + a - p, s X + b - p) = sum over q, r and k of weight[k, c](a + s q, b + s r)
//                                                            * dy[k](Y - q, X - r)
//
// a matrix product for each tap (q, r) of the class. All classes read the same patches of dy about
// a cell: the columns of the products, one panel for each tap, which class (0, 0) needs all.
//
//   a thread's block of panels of cells
//     pack the panels of all taps                          they stay in the second-level cache
//     for each row a of classes, and each row panel of channels c
//       for each panel of cells
//         for each b and each tap: add the product to the tile of class (a, b)
//         interleave the tiles, and write them to row s Y + a - p
//
// Invariants:
//   Each pixel is in one class and at one cell, so all of dx is written, once. A class without
//   taps, of a kernel smaller than the stride, gives zeros. A panel has cells of one image. Cells
//   beyond dx, and outputs beyond dy, count as zeros.

#include "rcnn/detection/convolution/patch_input_gradient.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "rcnn/base/instruction_level.h"
#include "rcnn/base/target_clones.h"
#include "rcnn/detection/convolution/masked_copy.h"
#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/convolution/patch_lanes.h"
#include "rcnn/detection/convolution/plane_kernels.h"

namespace rcnn::detection {
namespace {

static_assert(kPlaneLanes == kPanelColumns);
// Bytes of a block's column panels, half of a core's second-level cache.
constexpr int64_t kBlockBytes = 512 << 10;
constexpr int64_t kMaxBlockPanels = 32;
// By how many channels pixels are prefetched before they are packed.
constexpr int64_t kPrefetchedChannels = 2;

RCNN_LOOP void InterleaveTwoLoop(const float* __restrict even, const float* __restrict odd,
                                 float* __restrict to) {
  for (int64_t i = 0; i < kPanelColumns; ++i) {
    to[2 * i] = even[i];
    to[2 * i + 1] = odd[i];
  }
}
RCNN_TARGET_CLONES(void, InterleaveTwo, InterleaveTwoLoop,
                   (const float* __restrict even, const float* __restrict odd,
                    float* __restrict to),
                   (even, odd, to));

// Rows `tile_size` floats apart of `stride` tiles, side by side: element i of tile b to
// to[stride i + b].
void Interleave(const float* row, int64_t tile_size, int64_t stride, float* to) {
  if (stride == 2) return InterleaveTwo(row, row + tile_size, to);
  for (int64_t b = 0; b < stride; ++b) {
    for (int64_t i = 0; i < kPanelColumns; ++i) to[stride * i + b] = row[b * tile_size + i];
  }
}

// How many rows of the kernel are a, a + stride, ...
int64_t CountTaps(const PatchKernel& kernel, int64_t a) {
  return a < kernel.size ? (kernel.size - 1 - a) / kernel.stride + 1 : 0;
}

// The cells, as outputs of a convolution of dy, whose position (i, j) is tap (taps - 1 - i, taps -
// 1 - j).
SlidingWindow FindCells(const PatchShape& shape) {
  const auto& [size, stride, padding] = shape.kernel;
  const SlidingWindow outputs(shape.height, shape.width, size, stride, padding);
  const int64_t taps = CountTaps(shape.kernel, 0);
  SlidingWindow cells(outputs.out_height, outputs.out_width, taps, 1, taps - 1);
  cells.out_height = (shape.height - 1 + padding) / stride + 1;
  cells.out_width = (shape.width - 1 + padding) / stride + 1;
  return cells;
}

// Up to kPanelColumns cells of an image.
struct Panel {
  int64_t image, first, count;
};

class Gradient {
 public:
  Gradient(const float* weight, const float* dy, const PatchShape& shape, float* dx,
           const float* mask)
      : product_(CurrentPanelKernel()),
        planes_(GetPlaneKernel(CurrentInstructionLevel())),
        shape_(shape),
        cells_(FindCells(shape)),
        taps_(cells_.kernel),
        row_panels_(NumPanels(shape.in_channels, product_.rows)),
        dy_(dy),
        dx_(dx),
        mask_(mask),
        weights_(PackWeights(weight)) {
    const int64_t plane = cells_.height * cells_.width;
    for (int64_t k = 0; k < shape.out_channels; ++k) offsets_.push_back(k * plane);
  }

  void Run() const {
    const int64_t begin = FirstCell(), end = cells_.out_height * cells_.out_width;
    const int64_t panels = NumPanels(end - begin, kPanelColumns);
    at::parallel_for(0, shape_.batch * panels, 1, [&](int64_t first, int64_t last) {
      const int64_t size = std::min(BlockPanels(), last - first);
      Scratch scratch = {AllocateFloats(size * PanelSize()),
                         AllocateFloats(shape_.kernel.stride * kMaxTile),
                         AllocateFloats(shape_.kernel.stride * kPanelColumns)};
      std::vector<Panel> block;
      for (int64_t i = first; i < last; i += size) {
        block.clear();
        for (int64_t p = i; p < std::min(i + size, last); ++p) {
          const int64_t cell = begin + p % panels * kPanelColumns;
          block.push_back({p / panels, cell, std::min(kPanelColumns, end - cell)});
        }
        RunBlock(block, scratch);
      }
    });
  }

 private:
  static constexpr int64_t kMaxTile = kMaxPanelRows * kPanelColumns;

  // A thread's memory.
  struct Scratch {
    AlignedFloats columns;  // [panels, taps, taps, out_channels, kPanelColumns]
    AlignedFloats tiles;    // [stride, kMaxTile]: the classes of a row of classes
    AlignedFloats row;      // of these tiles, interleaved
  };

  // The first row of cells that has a pixel.
  int64_t FirstCell() const {
    return shape_.kernel.padding / shape_.kernel.stride * cells_.out_width;
  }

  // Floats of the products' depth for one tap: of a column panel and of a row panel.
  int64_t ColumnSize() const { return shape_.out_channels * kPanelColumns; }
  int64_t RowSize() const { return shape_.out_channels * product_.rows; }
  // Of a panel of cells.
  int64_t PanelSize() const { return taps_ * taps_ * ColumnSize(); }

  int64_t BlockPanels() const {
    const int64_t bytes = PanelSize() * static_cast<int64_t>(sizeof(float));
    return std::clamp<int64_t>(kBlockBytes / std::max<int64_t>(bytes, 1), 1, kMaxBlockPanels);
  }

  // Row panels of channels of dx for each position of the kernel: [positions, row panels,
  // out_channels, product_.rows].
  AlignedFloats PackWeights(const float* weight) const {
    const int64_t rows = product_.rows, in = shape_.in_channels, out = shape_.out_channels;
    const int64_t positions = shape_.kernel.size * shape_.kernel.size;
    AlignedFloats packed = AllocateFloats(positions * row_panels_ * RowSize());
    at::parallel_for(0, row_panels_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t panel = begin; panel < end; ++panel) {
        const int64_t first = panel * rows, count = std::min(rows, in - first);
        for (int64_t k = 0; k < out; ++k) {
          const float* from = weight + (k * in + first) * positions;
          for (int64_t t = 0; t < positions; ++t) {
            float* to = &packed[(t * row_panels_ + panel) * RowSize() + k * rows];
            for (int64_t r = 0; r < count; ++r) to[r] = from[r * positions + t];
            std::fill(to + count, to + rows, 0.0f);
          }
        }
      }
    });
    return packed;
  }

  void RunBlock(const std::vector<Panel>& block, Scratch& scratch) const {
    for (int64_t q = 0; q < taps_; ++q) {
      for (int64_t r = 0; r < taps_; ++r) PackTap(block, q, r, &scratch.columns[0]);
    }
    for (int64_t a = 0; a < shape_.kernel.stride; ++a) {
      for (int64_t k = 0; k < row_panels_; ++k) {
        for (size_t p = 0; p < block.size(); ++p) {
          const float* columns = &scratch.columns[static_cast<int64_t>(p) * PanelSize()];
          PrefetchPixels(block[p], a, k);
          for (int64_t b = 0; b < shape_.kernel.stride; ++b) {
            MultiplyClass(a, b, k, columns, &scratch.tiles[b * kMaxTile]);
          }
          WriteTiles(block[p], a, k, scratch);
        }
      }
    }
  }

  // The panels of a tap: at each cell (Y, X) what dy has at (Y - q, X - r).
  void PackTap(const std::vector<Panel>& block, int64_t q, int64_t r, float* columns) const {
    const int64_t image = shape_.out_channels * cells_.height * cells_.width;
    std::vector<PatchLanes> lanes;
    std::vector<PlanePanel> targets;
    lanes.reserve(block.size());
    for (const Panel& panel : block) {
      const LaneRows rows(cells_, panel.first, panel.count);
      lanes.emplace_back(cells_, rows, taps_ - 1 - q, taps_ - 1 - r, panel.image * image);
      targets.push_back(
          {lanes.back().segments(), lanes.back().size(), columns + (q * taps_ + r) * ColumnSize()});
      columns += PanelSize();
    }
    PlaneRows rows;
    rows.floats = dy_;
    rows.offsets = offsets_.data();
    rows.count = shape_.out_channels;
    rows.prefetch_every = 1;
    rows.prefetched_rows = kPrefetchedChannels;
    planes_.pack(rows, targets.data(), static_cast<int64_t>(targets.size()));
  }

  // The tile [product_.rows, kPanelColumns] of class (a, b).
  void MultiplyClass(int64_t a, int64_t b, int64_t row_panel, const float* columns,
                     float* tile) const {
    const auto& [size, stride, padding] = shape_.kernel;
    TileOptions options;
    for (int64_t q = 0; q < CountTaps(shape_.kernel, a); ++q) {
      for (int64_t r = 0; r < CountTaps(shape_.kernel, b); ++r) {
        const int64_t position = (a + stride * q) * size + b + stride * r;
        MultiplyPanels(product_, &weights_[(position * row_panels_ + row_panel) * RowSize()],
                       columns + (q * taps_ + r) * ColumnSize(), shape_.out_channels, options, tile,
                       kPanelColumns);
        options.add = tile;
        options.add_stride = kPanelColumns;
      }
    }
    if (options.add == nullptr) std::fill_n(tile, product_.rows * kPanelColumns, 0.0f);
  }

  // The pixels of row a of classes at cells of one row.
  struct PixelRow {
    int64_t y, begin, end;  // the row of dx, and the columns in it
    int64_t skipped;        // floats of the interleaved tiles before `begin`
  };

  PixelRow FindPixels(const LaneRows::Row& cells, int64_t a) const {
    const auto& [size, stride, padding] = shape_.kernel;
    const int64_t x = stride * cells.x - padding;
    const int64_t begin = std::max<int64_t>(x, 0);
    return {stride * cells.y + a - padding, begin,
            std::clamp(x + stride * cells.count, begin, std::max(begin, shape_.width)),
            stride * cells.lane + begin - x};
  }

  // Where a plane begins, from dx on.
  int64_t Plane(int64_t image, int64_t channel) const {
    return (image * shape_.in_channels + channel) * shape_.height * shape_.width;
  }

  // Asks for the cache lines that WriteTiles will write. Inlined, because GCC drops calls of
  // functions that do nothing but prefetch.
  inline __attribute__((always_inline)) void PrefetchPixels(const Panel& panel, int64_t a,
                                                            int64_t row_panel) const {
    const LaneRows rows(cells_, panel.first, panel.count);
    const PixelRow pixels = FindPixels(*rows.begin(), a);
    const int64_t first =
        Plane(panel.image, row_panel * product_.rows) + pixels.y * shape_.width + pixels.begin;
    const int64_t plane = shape_.height * shape_.width;
    for (int64_t b = 0; b < shape_.kernel.stride; ++b) {
      PrefetchTile(dx_ + first + b * kPanelColumns, product_.rows, plane);
      if (mask_ != nullptr) PrefetchTile(mask_ + first + b * kPanelColumns, product_.rows, plane);
    }
  }

  void WriteTiles(const Panel& panel, int64_t a, int64_t row_panel, Scratch& scratch) const {
    const int64_t first = row_panel * product_.rows;
    const int64_t channels = std::min(product_.rows, shape_.in_channels - first);
    const LaneRows rows(cells_, panel.first, panel.count);
    for (int64_t c = 0; c < channels; ++c) {
      Interleave(&scratch.tiles[c * kPanelColumns], kMaxTile, shape_.kernel.stride,
                 &scratch.row[0]);
      const int64_t plane = Plane(panel.image, first + c);
      for (const LaneRows::Row& cells : rows) {
        const PixelRow pixels = FindPixels(cells, a);
        if (pixels.y < 0 || pixels.y >= shape_.height) continue;
        const int64_t at = plane + pixels.y * shape_.width + pixels.begin;
        const int64_t count = pixels.end - pixels.begin;
        if (mask_ != nullptr) {
          CopyMasked(&scratch.row[pixels.skipped], mask_ + at, count, dx_ + at);
        } else {
          std::copy_n(&scratch.row[pixels.skipped], count, dx_ + at);
        }
      }
    }
  }

  const PanelKernel& product_;
  const PlaneKernel& planes_;
  const PatchShape shape_;
  const SlidingWindow cells_;
  const int64_t taps_;  // of class (0, 0), in a row and in a column
  const int64_t row_panels_;
  const float* const dy_;
  float* const dx_;
  const float* const mask_;
  std::vector<int64_t> offsets_;  // of the planes of dy in an image
  const AlignedFloats weights_;
};

}  // namespace

void PatchInputGradient(const float* weight, const float* dy, const PatchShape& shape, float* dx,
                        const float* mask) {
  if (shape.batch == 0 || shape.in_channels == 0 || shape.height == 0 || shape.width == 0) return;
  Gradient(weight, dy, shape, dx, mask).Run();
}

}  // namespace rcnn::detection

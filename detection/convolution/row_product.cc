// Rows of a tile are rows of a, its columns are rows of b. A thread owns some columns of c, or some
// rows if there are more of these, and computes them in blocks:
//
//   for each matrix and part of the depth
//     pack the part of the block's rows of a      they stay in the second-level cache
//     for each sixteen rows of b
//       compute their part, if b is not in memory
//       pack it                                   it stays in the first-level cache
//       add its product with each row panel to the tile's sums
//
// Sums between two parts lie tile by tile: rows of c are often a multiple of a page apart, so that
// the rows of a tile would map to the same cache set. The last part writes to c.
//
// Invariant: a part begins at a multiple of kPanelChunk, so the sums have the bits of a product of
// the whole depth.

#include "rcnn/detection/convolution/row_product.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/convolution/part_tile.h"

namespace rcnn::detection {
namespace {

constexpr int64_t kPartDepth = 256;
static_assert(kPartDepth % kPanelChunk == 0);
// Panels of a block of rows and of columns.
constexpr int64_t kBlockPanels = 32;
// Floats of a cache line.
constexpr int64_t kLine = 16;
// The next part of a block's rows of a is prefetched, a quarter of a core's second-level cache at
// most.
constexpr int64_t kPrefetchedBytes = 256 << 10;
// Between computed rows of b: at a power of two they would map to the same cache sets.
constexpr int64_t kFilledStride = kPartDepth + kLine;

// Some of the depth of one of the matrices.
struct Part {
  int64_t matrix, begin, end;

  int64_t size() const { return end - begin; }
};

struct Range {
  int64_t begin, end;

  int64_t size() const { return end - begin; }
};

class Product {
 public:
  // `fill`: computes the rows of b; null: they are in memory.
  Product(const MatrixRows& a, const MatrixRows& b, const FillRows* fill, int64_t depth,
          const RowProductOptions& options, float* c)
      : kernel_(CurrentPanelKernel()),
        a_(a),
        b_(b),
        fill_(fill),
        depth_(depth),
        relu_(options.relu),
        matrices_(options.matrices),
        bias_(NumPanels(b.count, kPanelColumns) * kPanelColumns),
        c_(c) {
    if (options.bias != nullptr) std::copy_n(options.bias, b.count, bias_.begin());
  }

  void Run() const {
    const bool by_columns = b_.count >= a_.count;
    const int64_t all = by_columns ? b_.count : a_.count;
    const int64_t unit = by_columns ? kPanelColumns : kernel_.rows;
    at::parallel_for(0, NumPanels(all, unit), 1, [&](int64_t begin, int64_t end) {
      const Range own = {begin * unit, std::min(end * unit, all)};
      if (by_columns) {
        RunPart({0, a_.count}, own);
      } else {
        RunPart(own, {0, b_.count});
      }
    });
  }

 private:
  // A thread's memory.
  struct Scratch {
    AlignedFloats left, right;  // panels of a part
    AlignedFloats tiles;        // [column panels, row panels, TileSize()]
    AlignedFloats filled;       // computed rows of b, [kPanelColumns, kFilledStride]
  };

  // The cache lines of the next part of the rows of a, some with each tile of this part. Rows lie
  // far apart, so the processor does not foresee them.
  class RowPrefetch {
   public:
    // For `panels` column panels.
    RowPrefetch(const Product& product, const Part& part, const Range& rows, int64_t panels)
        : depth_(product.depth_),
          row_(product.a_.floats + part.matrix * product.a_.stride + rows.begin * product.depth_ +
               part.end),
          lines_(NumPanels(std::min(kPartDepth, product.depth_ - part.end), kLine)) {
      const int64_t all = rows.size() * lines_;
      if (all * kLine * static_cast<int64_t>(sizeof(float)) > kPrefetchedBytes) return;
      left_ = all;
      per_tile_ = NumPanels(all, panels * NumPanels(rows.size(), product.kernel_.rows));
    }

    // Inlined, because GCC drops calls of functions that do nothing but prefetch.
    inline __attribute__((always_inline)) void Next() {
      for (int64_t i = std::min(per_tile_, left_); i > 0; --i, --left_) {
        __builtin_prefetch(row_ + kLine * line_, /*rw=*/0, /*locality=*/2);
        if (++line_ < lines_) continue;
        line_ = 0;
        row_ += depth_;
      }
    }

   private:
    int64_t depth_;
    const float* row_;
    int64_t lines_;     // of a row; 0 after the last part
    int64_t line_ = 0;  // the next one of the row
    int64_t left_ = 0, per_tile_ = 0;
  };

  int64_t TileSize() const { return kernel_.rows * kPanelColumns; }

  void RunPart(const Range& rows, const Range& columns) const {
    const int64_t part = std::min(depth_, kPartDepth);
    const int64_t high = kBlockPanels * kernel_.rows, wide = kBlockPanels * kPanelColumns;
    const int64_t row_panels = NumPanels(std::min(high, rows.size()), kernel_.rows);
    const int64_t column_panels = NumPanels(std::min(wide, columns.size()), kPanelColumns);
    const Scratch scratch = {AllocateFloats(row_panels * kernel_.rows * part + kPanelSlack),
                             AllocateFloats(kPanelColumns * part + kPanelSlack),
                             AllocateFloats(row_panels * column_panels * TileSize()),
                             AllocateFloats(fill_ != nullptr ? kPanelColumns * kFilledStride : 0)};
    for (int64_t i = rows.begin; i < rows.end; i += high) {
      for (int64_t j = columns.begin; j < columns.end; j += wide) {
        RunBlock({i, std::min(i + high, rows.end)}, {j, std::min(j + wide, columns.end)}, scratch);
      }
    }
  }

  void RunBlock(const Range& rows, const Range& columns, const Scratch& scratch) const {
    for (int64_t matrix = 0; matrix < matrices_; ++matrix) {
      int64_t begin = 0;
      do {
        const Part part = {matrix, begin, std::min(begin + kPartDepth, depth_)};
        AddPart(part, rows, columns, scratch);
        begin = part.end;
      } while (begin < depth_);
    }
  }

  void AddPart(const Part& part, const Range& rows, const Range& columns,
               const Scratch& scratch) const {
    const float* a = a_.floats + part.matrix * a_.stride + part.begin;
    for (int64_t i = rows.begin; i < rows.end; i += kernel_.rows) {
      kernel_.pack_rows(a + i * depth_, depth_, std::min(kernel_.rows, rows.end - i), part.size(),
                        &scratch.left[(i - rows.begin) * part.size()]);
    }
    RowPrefetch prefetch(*this, part, rows, NumPanels(columns.size(), kPanelColumns));
    float* tiles = &scratch.tiles[0];
    for (int64_t j = columns.begin; j < columns.end; j += kPanelColumns) {
      const Range panel = {j, std::min(j + kPanelColumns, columns.end)};
      PackColumns(part, panel, scratch);
      MultiplyPanel(part, rows, panel, scratch, prefetch, tiles);
      tiles += NumPanels(rows.size(), kernel_.rows) * TileSize();
    }
  }

  // The part of up to sixteen rows of b.
  void PackColumns(const Part& part, const Range& columns, const Scratch& scratch) const {
    if (fill_ == nullptr) {
      const float* b = b_.floats + part.matrix * b_.stride + part.begin;
      kernel_.pack_transposed(b + columns.begin * depth_, depth_, columns.size(), part.size(),
                              &scratch.right[0]);
      return;
    }
    (*fill_)({part.matrix, columns.begin, columns.end, part.begin, part.end}, &scratch.filled[0],
             kFilledStride);
    kernel_.pack_transposed(&scratch.filled[0], kFilledStride, columns.size(), part.size(),
                            &scratch.right[0]);
  }

  // The tiles of all rows and sixteen columns, whose sums are in `tiles`.
  void MultiplyPanel(const Part& part, const Range& rows, const Range& columns,
                     const Scratch& scratch, RowPrefetch& prefetch, float* tiles) const {
    const int64_t lines = fill_ != nullptr ? 0 : NumPanels(part.size(), kLine);
    const int64_t lines_per_tile =
        NumPanels(lines * kPanelColumns, NumPanels(rows.size(), kernel_.rows));
    int64_t line = 0;
    for (int64_t i = rows.begin; i < rows.end; i += kernel_.rows, tiles += TileSize()) {
      for (const int64_t end = line + lines_per_tile; line < end; ++line) {
        PrefetchNext(part, columns, line % kPanelColumns, line / kPanelColumns);
      }
      prefetch.Next();
      MultiplyTile(part, {i, std::min(i + kernel_.rows, rows.end)}, columns,
                   &scratch.left[(i - rows.begin) * part.size()], &scratch.right[0], tiles);
    }
  }

  // A cache line of the next sixteen rows of b, which the processor does not foresee. Inlined,
  // because GCC drops calls of functions that do nothing but prefetch.
  inline __attribute__((always_inline)) void PrefetchNext(const Part& part, const Range& columns,
                                                          int64_t row, int64_t line) const {
    const float* b = b_.floats + part.matrix * b_.stride + part.begin;
    __builtin_prefetch(b + (columns.begin + kPanelColumns + row) * depth_ + kLine * line, /*rw=*/0,
                       /*locality=*/2);
  }

  void MultiplyTile(const Part& part, const Range& rows, const Range& columns, const float* left,
                    const float* right, float* sums) const {
    const bool first = part.matrix == 0 && part.begin == 0;
    const bool last = part.matrix + 1 == matrices_ && part.end == depth_;
    TileOptions options;
    options.relu = relu_ && last;
    options.add = first ? &bias_[columns.begin] : sums;  // one row of the bias for all
    options.add_stride = first ? 0 : kPanelColumns;
    const auto multiply = [&](const TileOptions& whole, float* out, int64_t stride) {
      MultiplyPanels(kernel_, left, right, part.size(), whole, out, stride);
    };
    float* tile = c_ + rows.begin * b_.count + columns.begin;
    if (!last) {
      multiply(options, sums, kPanelColumns);
    } else if (rows.size() == kernel_.rows && columns.size() == kPanelColumns) {
      multiply(options, tile, b_.count);
    } else {
      MultiplyPartTile(rows.size(), columns.size(), options, tile, b_.count, multiply);
    }
  }

  const PanelKernel& kernel_;
  const MatrixRows a_, b_;
  const FillRows* const fill_;
  const int64_t depth_;
  const bool relu_;
  const int64_t matrices_;
  std::vector<float> bias_;  // of a multiple of kPanelColumns
  float* const c_;
};

}  // namespace

void RowProduct(const MatrixRows& a, const MatrixRows& b, int64_t depth,
                const RowProductOptions& options, float* c) {
  if (a.count == 0 || b.count == 0) return;
  Product(a, b, /*fill=*/nullptr, depth, options, c).Run();
}

void RowProduct(const MatrixRows& a, int64_t b_count, FillRows fill, int64_t depth,
                const RowProductOptions& options, float* c) {
  if (a.count == 0 || b_count == 0) return;
  Product(a, {nullptr, b_count, 0}, &fill, depth, options, c).Run();
}

}  // namespace rcnn::detection

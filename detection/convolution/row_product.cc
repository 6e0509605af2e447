// Rows of a tile are rows of a, its columns are rows of b. A thread owns some columns of c, or some
// rows if there are more of these, and computes them in blocks of rows:
//
//   for each part of the depth
//     pack the part of the block's rows of a      they stay in the second-level cache
//     for each sixteen rows of b
//       pack their part                           it stays in the first-level cache
//       add its product with each row panel to c
//
// Invariant: a part begins at a multiple of kPanelChunk, so the sums have the bits of a product of
// the whole depth, with c in place of the registers between two parts.

#include "rcnn/detection/convolution/row_product.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "rcnn/detection/convolution/panel_product.h"
#include "rcnn/detection/convolution/part_tile.h"

namespace rcnn::detection {
namespace {

constexpr int64_t kPartDepth = 256;
static_assert(kPartDepth % kPanelChunk == 0);
// Row panels of a block.
constexpr int64_t kBlockPanels = 32;

struct Range {
  int64_t begin, end;
};

class Product {
 public:
  Product(const MatrixRows& a, const MatrixRows& b, int64_t depth, const RowProductOptions& options,
          float* c)
      : kernel_(CurrentPanelKernel()), a_(a), b_(b), depth_(depth), options_(options), c_(c) {}

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
  void RunPart(const Range& rows, const Range& columns) const {
    const int64_t part = std::min(depth_, kPartDepth), block = kBlockPanels * kernel_.rows;
    const int64_t panels = NumPanels(std::min(block, rows.end - rows.begin), kernel_.rows);
    const AlignedFloats left = AllocateFloats(panels * kernel_.rows * part + kPanelSlack);
    const AlignedFloats right = AllocateFloats(kPanelColumns * part + kPanelSlack);
    for (int64_t first = rows.begin; first < rows.end; first += block) {
      RunBlock({first, std::min(first + block, rows.end)}, columns, &left[0], &right[0]);
    }
  }

  void RunBlock(const Range& rows, const Range& columns, float* left, float* right) const {
    int64_t begin = 0;
    do {
      const Range part = {begin, std::min(begin + kPartDepth, depth_)};
      const int64_t size = part.end - part.begin;
      for (int64_t i = rows.begin; i < rows.end; i += kernel_.rows) {
        kernel_.pack_rows(a_.floats + i * depth_ + begin, depth_,
                          std::min(kernel_.rows, rows.end - i), size,
                          left + (i - rows.begin) * size);
      }
      for (int64_t j = columns.begin; j < columns.end; j += kPanelColumns) {
        kernel_.pack_transposed(b_.floats + j * depth_ + begin, depth_,
                                std::min(kPanelColumns, columns.end - j), size, right);
        for (int64_t i = rows.begin; i < rows.end; i += kernel_.rows) {
          MultiplyTile(part, {i, std::min(i + kernel_.rows, rows.end)},
                       {j, std::min(j + kPanelColumns, columns.end)},
                       left + (i - rows.begin) * size, right);
        }
      }
      begin = part.end;
    } while (begin < depth_);
  }

  void MultiplyTile(const Range& part, const Range& rows, const Range& columns, const float* left,
                    const float* right) const {
    float* tile = c_ + rows.begin * b_.count + columns.begin;
    TileOptions options;
    options.relu = options_.relu && part.end == depth_;
    if (part.begin > 0) {
      options.add = tile;
      options.add_stride = b_.count;
    } else if (options_.bias != nullptr) {
      options.add = options_.bias + columns.begin;  // one row of it for all
    }
    const auto multiply = [&](const TileOptions& whole, float* out, int64_t stride) {
      MultiplyPanels(kernel_, left, right, part.end - part.begin, whole, out, stride);
    };
    const int64_t num_rows = rows.end - rows.begin, num_columns = columns.end - columns.begin;
    if (num_rows == kernel_.rows && num_columns == kPanelColumns) {
      multiply(options, tile, b_.count);
    } else {
      MultiplyPartTile(num_rows, num_columns, options, tile, b_.count, multiply);
    }
  }

  const PanelKernel& kernel_;
  const MatrixRows a_, b_;
  const int64_t depth_;
  const RowProductOptions options_;
  float* const c_;
};

}  // namespace

void RowProduct(const MatrixRows& a, const MatrixRows& b, int64_t depth,
                const RowProductOptions& options, float* c) {
  if (a.count == 0 || b.count == 0) return;
  Product(a, b, depth, options, c).Run();
}

}  // namespace rcnn::detection

// tile [6, 16] = sum over the depth d of rows[d] [6] times columns[d] [16], an outer product each.
//
// Why it is fast: the 96 sums stay in 12 of AVX2's 16 registers. Each step of the depth loads 16
// columns into two registers and broadcasts six factors, for 12 fused multiply-adds: 96
// multiplications for 22 floats read, all from packed panels in order.
//
// Invariant: missing rows and columns are zero in the panels, so the inner loop has no edge cases;
// callers drop what lies outside their result.

#include "rcnn/detection/convolution/panel_product.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "rcnn/base/aligned_block.h"
#include "rcnn/base/instruction_level.h"

namespace rcnn::detection {
namespace {

size_t Bytes(int64_t count) {
  return static_cast<size_t>(std::max<int64_t>(count, 1)) * sizeof(float);
}

AlignedFloats Floats(void* block) {
  if (block == nullptr) throw std::bad_alloc();
  return AlignedFloats(static_cast<float*>(block));
}

}  // namespace

bool PanelProductAvailable() { return GetPanelKernel(CurrentInstructionLevel()) != nullptr; }

const PanelKernel& CurrentPanelKernel() { return *GetPanelKernel(CurrentInstructionLevel()); }

void FreeFloats::operator()(float* floats) const { FreeBlock(floats); }

AlignedFloats AllocateFloats(int64_t count) { return Floats(AllocateBlock(Bytes(count))); }

AlignedFloats AllocateLastingFloats(int64_t count) {
  return Floats(AllocateLastingBlock(Bytes(count)));
}

void PackRows(const float* a, int64_t rows, int64_t depth, int64_t stride, int64_t panel_rows,
              float* packed) {
  int64_t begin = 0;
  for (; begin + panel_rows <= rows; begin += panel_rows, a += panel_rows * stride) {
    for (int64_t d = 0; d < depth; ++d) {
      for (int64_t r = 0; r < panel_rows; ++r) *packed++ = a[r * stride + d];
    }
  }
  if (begin == rows) return;
  for (int64_t d = 0; d < depth; ++d) {
    for (int64_t r = 0; r < panel_rows; ++r) *packed++ = begin + r < rows ? a[r * stride + d] : 0;
  }
}

void PackTransposedRows(const float* a, int64_t rows, int64_t depth, int64_t stride,
                        int64_t panel_rows, float* packed) {
  const size_t bytes = static_cast<size_t>(rows) * sizeof(float);
  for (int64_t d = 0; d < depth; ++d, a += stride, packed += panel_rows) {
    std::memcpy(packed, a, bytes);
    std::fill(packed + rows, packed + panel_rows, 0.0f);
  }
}

void PackColumns(const float* b, int64_t columns, int64_t depth, int64_t stride, float* packed) {
  if (columns == kPanelColumns) {
    for (int64_t d = 0; d < depth; ++d, b += stride, packed += kPanelColumns) {
      std::memcpy(packed, b, kPanelColumns * sizeof(float));
    }
    return;
  }
  PackTransposedRows(b, columns, depth, stride, kPanelColumns, packed);
}

void MultiplyPanels(const PanelKernel& kernel, const float* rows, const float* columns,
                    int64_t depth, const TileOptions& options, float* tile, int64_t stride) {
  TileOptions chunk = options;
  int64_t begin = 0;
  do {
    const int64_t end = std::min(begin + kPanelChunk, depth);
    chunk.relu = options.relu && end == depth;
    chunk.mask = end == depth ? options.mask : nullptr;
    kernel.multiply(rows + begin * kernel.rows, columns + begin * kPanelColumns, end - begin, chunk,
                    tile, stride);
    chunk.bias = nullptr;
    chunk.add = tile;
    chunk.add_stride = stride;
    begin = end;
  } while (begin < depth);
}

}  // namespace rcnn::detection

#include "rcnn/detection/convolution/zero_patches.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "rcnn/base/target_clones.h"
#include "rcnn/detection/convolution/tile_grid.h"
#include "rcnn/detection/convolution/winograd_kernels.h"

namespace rcnn::detection {
namespace {

// Columns processed together, and channels between two checks for columns that are still
// zero.
constexpr int64_t kBlock = 64;
constexpr int64_t kChannels = 8;

// Sets seen[i] to nonzero where an element of the row is nonzero, of either sign.
RCNN_LOOP void MarkNonZeroLoop(const float* row, int64_t count, uint32_t* seen) {
  for (int64_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, row + i, sizeof(bits));
    seen[i] |= bits << 1;
  }
}
RCNN_TARGET_CLONES(void, MarkNonZero, MarkNonZeroLoop,
                   (const float* row, int64_t count, uint32_t* seen), (row, count, seen));

// The pixels of a row that are zero in all channels; x points at the row in the first one.
void FindZeros(const float* x, const MapShape& shape, uint8_t* zero) {
  const int64_t area = shape.height * shape.width;
  for (int64_t begin = 0; begin < shape.width; begin += kBlock) {
    const int64_t count = std::min(kBlock, shape.width - begin);
    uint32_t seen[kBlock] = {};
    for (int64_t c = 0; c < shape.channels; ++c) {
      MarkNonZero(x + c * area + begin, count, seen);
      if (c % kChannels == kChannels - 1 && std::count(seen, seen + count, 0U) == 0) break;
    }
    for (int64_t i = 0; i < count; ++i) zero[begin + i] = seen[i] == 0;
  }
}

int64_t RowsPerTask(const MapShape& shape) {
  return std::max<int64_t>(1, 4096 / std::max<int64_t>(shape.width, 1));
}

}  // namespace

ZeroPixels::ZeroPixels(const float* x, const MapShape& shape)
    : shape_(shape), zero_(shape.batch * shape.height * shape.width) {
  const int64_t area = shape.height * shape.width;
  at::parallel_for(0, shape.batch * shape.height, RowsPerTask(shape),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t i = begin; i < end; ++i) {
                       const int64_t image = i / shape.height, row = i % shape.height;
                       FindZeros(x + image * shape.channels * area + row * shape.width, shape,
                                 zero_.data() + i * shape.width);
                     }
                   });
}

bool ZeroPixels::HasValue(int64_t image, int64_t top, int64_t bottom, int64_t left,
                          int64_t right) const {
  const uint8_t* zero = zero_.data() + image * shape_.height * shape_.width;
  for (int64_t y = std::max<int64_t>(top, 0); y < std::min(bottom, shape_.height); ++y) {
    for (int64_t x = std::max<int64_t>(left, 0); x < std::min(right, shape_.width); ++x) {
      if (zero[y * shape_.width + x] == 0) return true;
    }
  }
  return false;
}

void ZeroPixels::FixRow(int64_t image, int64_t row, const float* bias, int64_t out_channels,
                        float* y) const {
  const int64_t area = shape_.height * shape_.width;
  const uint8_t* zero = zero_.data() + image * area + row * shape_.width;
  float* of_row = y + image * out_channels * area + row * shape_.width;
  std::vector<int64_t> columns;
  for (int64_t x = 0; x < shape_.width; ++x) {
    if (zero[x] != 0 && !HasValue(image, row - 1, row + 2, x - 1, x + 2)) columns.push_back(x);
  }
  // Channel by channel: those of a pixel lie in different pages.
  for (int64_t k = 0; k < out_channels && !columns.empty(); ++k, of_row += area) {
    for (const int64_t x : columns) of_row[x] = bias == nullptr ? 0 : bias[k];
  }
}

void ZeroPixels::FixPatches(const float* bias, int64_t out_channels, float* y) const {
  at::parallel_for(0, shape_.batch * shape_.height, RowsPerTask(shape_),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t i = begin; i < end; ++i) {
                       FixRow(i / shape_.height, i % shape_.height, bias, out_channels, y);
                     }
                   });
}

std::vector<int64_t> ZeroPixels::FindTiles(int64_t halo) const {
  const TileGrid grid(shape_.batch, shape_.height, shape_.width);
  std::vector<int64_t> tiles;
  for (int64_t t = 0; t < grid.total; ++t) {
    const int64_t row = t / grid.columns, column = t % grid.columns;
    const int64_t top = row % grid.rows * kTileOut, left = column * kTileOut;
    if (HasValue(row / grid.rows, top - halo, top + kTileOut + halo, left - halo,
                 left + kTileOut + halo)) {
      tiles.push_back(t);
    }
  }
  return tiles;
}

}  // namespace rcnn::detection

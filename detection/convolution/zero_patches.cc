#include "rcnn/detection/convolution/zero_patches.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "rcnn/base/target_clones.h"

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

// Whether the patch about (row, column) is zero; `zero` is one image's.
bool ZeroPatch(const uint8_t* zero, const MapShape& shape, int64_t row, int64_t column) {
  for (int64_t h = std::max<int64_t>(row - 1, 0); h <= std::min(row + 1, shape.height - 1); ++h) {
    for (int64_t w = std::max<int64_t>(column - 1, 0); w <= std::min(column + 1, shape.width - 1);
         ++w) {
      if (!zero[h * shape.width + w]) return false;
    }
  }
  return true;
}

// y points at the row in the first channel.
void SettleRow(const uint8_t* zero, const MapShape& shape, int64_t row, const float* bias,
               int64_t out_channels, float* y) {
  const int64_t area = shape.height * shape.width;
  for (int64_t w = 0; w < shape.width; ++w) {
    if (!zero[row * shape.width + w] || !ZeroPatch(zero, shape, row, w)) continue;
    for (int64_t k = 0; k < out_channels; ++k) y[k * area + w] = bias == nullptr ? 0 : bias[k];
  }
}

}  // namespace

void FixZeroPatches(const float* x, const MapShape& shape, const float* bias, int64_t out_channels,
                    float* y) {
  const int64_t rows = shape.batch * shape.height, area = shape.height * shape.width;
  std::vector<uint8_t> zero(rows * shape.width);
  const int64_t grain = std::max<int64_t>(1, 4096 / std::max<int64_t>(shape.width, 1));
  at::parallel_for(0, rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t n = i / shape.height, row = i % shape.height;
      FindZeros(x + n * shape.channels * area + row * shape.width, shape,
                zero.data() + i * shape.width);
    }
  });
  at::parallel_for(0, rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t n = i / shape.height, row = i % shape.height;
      SettleRow(zero.data() + n * area, shape, row, bias, out_channels,
                y + n * out_channels * area + row * shape.width);
    }
  });
}

}  // namespace rcnn::detection

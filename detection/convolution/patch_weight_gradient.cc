// dw [K, depth] = dy [K, outputs] times patches [depth, outputs] transposed, depth = channels times
// positions of the kernel, summed over the images. Row (c, i, j) of the patches has for each output
// the pixel of channel c that the kernel's position (i, j) sees there: some pixels of a row,
// `stride` apart, for each row of outputs, and zeros in the padding.

#include "rcnn/detection/convolution/patch_weight_gradient.h"

#include <algorithm>

#include "rcnn/base/target_clones.h"
#include "rcnn/detection/convolution/patch_lanes.h"
#include "rcnn/detection/convolution/row_product.h"

namespace rcnn::detection {
namespace {

RCNN_LOOP void CopyEverySecondLoop(const float* __restrict from, int64_t count,
                                   float* __restrict to) {
  for (int64_t i = 0; i < count; ++i) to[i] = from[2 * i];
}
RCNN_TARGET_CLONES(void, CopyEverySecond, CopyEverySecondLoop,
                   (const float* __restrict from, int64_t count, float* __restrict to),
                   (from, count, to));

void CopyEvery(int64_t stride, const float* from, int64_t count, float* to) {
  if (stride == 1) {
    std::copy_n(from, count, to);
  } else if (stride == 2) {
    CopyEverySecond(from, count, to);
  } else {
    for (int64_t i = 0; i < count; ++i) to[i] = from[i * stride];
  }
}

// The pixels at columns first, first + stride, ... of a row of the map, `count` of them.
void ReadRow(const float* row, const SlidingWindow& window, int64_t first, int64_t count,
             float* to) {
  const int64_t stride = window.stride;
  const int64_t begin = first >= 0 ? 0 : std::min(count, (-first + stride - 1) / stride);
  const int64_t end = first >= window.width
                          ? begin
                          : std::clamp((window.width - 1 - first) / stride + 1, begin, count);
  std::fill(to, to + begin, 0.0f);
  if (begin < end) CopyEvery(stride, row + first + begin * stride, end - begin, to + begin);
  std::fill(to + end, to + count, 0.0f);
}

// What position (i, j) of the kernel sees of a plane at outputs [begin, end).
void ReadPatchRow(const float* plane, const SlidingWindow& window, int64_t i, int64_t j,
                  int64_t begin, int64_t end, float* to) {
  int64_t y = begin / window.out_width, x = begin % window.out_width;
  for (; begin < end; ++y, x = 0) {
    const int64_t count = std::min(end - begin, window.out_width - x);
    const int64_t row = y * window.stride + i - window.padding;
    if (row >= 0 && row < window.height) {
      ReadRow(plane + row * window.width, window, x * window.stride + j - window.padding, count,
              to);
    } else {
      std::fill_n(to, count, 0.0f);
    }
    begin += count;
    to += count;
  }
}

}  // namespace

void PatchWeightGradient(const float* x, const float* dy, const PatchShape& shape, float* dw) {
  const auto& [size, stride, padding] = shape.kernel;
  const int64_t positions = size * size, depth = shape.in_channels * positions;
  if (shape.batch == 0) {
    std::fill_n(dw, shape.out_channels * depth, 0.0f);
    return;
  }
  const SlidingWindow window(shape.height, shape.width, size, stride, padding);
  const int64_t area = shape.height * shape.width, outputs = window.out_height * window.out_width;
  const auto fill = [&](const RowsPart& part, float* rows, int64_t row_stride) {
    for (int64_t r = part.first; r < part.last; ++r, rows += row_stride) {
      const int64_t plane = part.matrix * shape.in_channels + r / positions;
      const int64_t position = r % positions;
      ReadPatchRow(x + plane * area, window, position / window.kernel, position % window.kernel,
                   part.begin, part.end, rows);
    }
  };
  RowProductOptions options;
  options.matrices = shape.batch;
  RowProduct({dy, shape.out_channels, shape.out_channels * outputs}, depth, fill, outputs, options,
             dw);
}

}  // namespace rcnn::detection

#include "rcnn/detection/convolution/patch_lanes.h"

#include <algorithm>

namespace rcnn::detection {

void PatchLanes::AddRow(const SlidingWindow& window, int64_t i, int64_t j, int64_t y, int64_t x,
                        int64_t lane, int64_t count) {
  const int64_t row = y * window.stride + i - window.padding;
  // The input of output x + t is at column first + t * stride, for t in [0, count).
  const int64_t first = x * window.stride + j - window.padding;
  if (row < 0 || row >= window.height || first >= window.width) return;
  const int64_t begin = first >= 0 ? 0 : (-first + window.stride - 1) / window.stride;
  const int64_t end = std::min(count, (window.width - 1 - first) / window.stride + 1);
  if (begin >= end) return;
  const uint32_t lanes = (uint32_t{1} << (lane + end)) - (uint32_t{1} << (lane + begin));
  segments_[size_++] = {row * window.width + first - lane * window.stride, lanes};
}

PatchLanes::PatchLanes(const SlidingWindow& window, int64_t i, int64_t j, int64_t first,
                       int64_t count) {
  for (int64_t lane = 0; lane < count;) {
    const int64_t y = (first + lane) / window.out_width, x = (first + lane) % window.out_width;
    const int64_t some = std::min(count - lane, window.out_width - x);
    AddRow(window, i, j, y, x, lane, some);
    lane += some;
  }
}

}  // namespace rcnn::detection

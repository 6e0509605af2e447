#include "rcnn/detection/convolution/patch_lanes.h"

#include <algorithm>

namespace rcnn::detection {
namespace {

// Whether the kernel stays in [0, size) for `count` outputs from `first` on.
bool IsInside(int64_t first, int64_t count, int64_t size, const SlidingWindow& window) {
  const int64_t begin = first * window.stride - window.padding;
  return begin >= 0 && begin + (count - 1) * window.stride + window.kernel <= size;
}

}  // namespace

LaneRows::LaneRows(const SlidingWindow& window, int64_t first, int64_t count) {
  int64_t y = first / window.out_width, x = first % window.out_width;
  for (int64_t lane = 0; lane < count; ++y, x = 0) {
    const int64_t some = std::min(count - lane, window.out_width - x);
    rows_[size_++] = {y, x, lane, some};
    is_inside_ = is_inside_ && IsInside(y, 1, window.height, window) &&
                 IsInside(x, some, window.width, window);
    lane += some;
  }
}

void PatchLanes::AddRow(const SlidingWindow& window, const LaneRows::Row& outputs, int64_t i,
                        int64_t j, int64_t offset) {
  const int64_t row = outputs.y * window.stride + i - window.padding;
  // The input of output x + t is at column first + t * stride, for t in [0, count).
  const int64_t first = outputs.x * window.stride + j - window.padding;
  if (row < 0 || row >= window.height || first >= window.width) return;
  const int64_t begin = first >= 0 ? 0 : (-first + window.stride - 1) / window.stride;
  const int64_t end = std::min(outputs.count, (window.width - 1 - first) / window.stride + 1);
  if (begin >= end) return;
  const uint32_t lanes =
      (uint32_t{1} << (outputs.lane + end)) - (uint32_t{1} << (outputs.lane + begin));
  segments_[size_++] = {offset + row * window.width + first - outputs.lane * window.stride, lanes};
}

PatchLanes::PatchLanes(const SlidingWindow& window, const LaneRows& rows, int64_t i, int64_t j,
                       int64_t offset) {
  for (const LaneRows::Row& outputs : rows) AddRow(window, outputs, i, j, offset);
}

}  // namespace rcnn::detection

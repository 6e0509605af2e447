// Which pixels of a plane the lanes of a panel read, for a convolution as a matrix product.
//
// The columns of the product are outputs, in order of row and column; a row is a channel and a
// position of the kernel. Columns are packed sixteen at a time from the planes themselves, so that
// no matrix of patches is stored. Internal to this folder.
//
// Example:
//   const SlidingWindow window(height, width, /*kernel=*/3, /*stride=*/1, /*padding=*/1);
//   const PatchLanes lanes(window, /*i=*/0, /*j=*/2, /*first=*/32, /*count=*/16);
//   const LaneSegment* segments = lanes.segments();

#ifndef RCNN_DETECTION_CONVOLUTION_PATCH_LANES_H_
#define RCNN_DETECTION_CONVOLUTION_PATCH_LANES_H_

#include <array>
#include <cstdint>

#include "rcnn/detection/convolution/bfloat16_kernels.h"

namespace rcnn::detection {

// The sizes of a plane, of the outputs, and how the kernel moves.
struct SlidingWindow {
  SlidingWindow(int64_t height, int64_t width, int64_t kernel, int64_t stride, int64_t padding)
      : height(height),
        width(width),
        stride(stride),
        padding(padding),
        out_height((height + 2 * padding - kernel) / stride + 1),
        out_width((width + 2 * padding - kernel) / stride + 1) {}

  int64_t height, width;
  int64_t stride, padding;
  int64_t out_height, out_width;
};

class PatchLanes {
 public:
  // Of the `count` <= 16 outputs from `first` on, at row i and column j of the kernel. Lanes in the
  // padding are in no segment.
  PatchLanes(const SlidingWindow& window, int64_t i, int64_t j, int64_t first, int64_t count);

  const LaneSegment* segments() const { return segments_.data(); }
  int64_t size() const { return size_; }

 private:
  // The lanes from `lane` on, which are `count` outputs of row y from column x on.
  void AddRow(const SlidingWindow& window, int64_t i, int64_t j, int64_t y, int64_t x, int64_t lane,
              int64_t count);

  std::array<LaneSegment, kBfloat16Lanes> segments_;
  int64_t size_ = 0;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_PATCH_LANES_H_

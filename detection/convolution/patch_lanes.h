// Which pixels of a plane the lanes of a panel read, for a convolution as a matrix product.
//
// The columns of the product are outputs, in order of row and column; a row is a channel and a
// position of the kernel. Columns are packed sixteen at a time from the planes themselves, so that
// no matrix of patches is stored. Internal to this folder.
//
// Example:
//   const SlidingWindow window(height, width, /*kernel=*/3, /*stride=*/1, /*padding=*/1);
//   const LaneRows rows(window, /*first=*/32, /*count=*/16);
//   const PatchLanes lanes(window, rows, /*i=*/0, /*j=*/2);
//   const LaneSegment* segments = lanes.segments();

#ifndef RCNN_DETECTION_CONVOLUTION_PATCH_LANES_H_
#define RCNN_DETECTION_CONVOLUTION_PATCH_LANES_H_

#include <array>
#include <cstdint>

#include "rcnn/detection/convolution/plane_lanes.h"

namespace rcnn::detection {

// The sizes of a plane, of the outputs, and how the kernel moves.
struct SlidingWindow {
  SlidingWindow(int64_t height, int64_t width, int64_t kernel, int64_t stride, int64_t padding)
      : height(height),
        width(width),
        kernel(kernel),
        stride(stride),
        padding(padding),
        out_height((height + 2 * padding - kernel) / stride + 1),
        out_width((width + 2 * padding - kernel) / stride + 1) {}

  int64_t height, width;
  int64_t kernel, stride, padding;
  int64_t out_height, out_width;
};

// The outputs of a panel, cut at the ends of rows: the same for all positions of the kernel.
class LaneRows {
 public:
  // `count` outputs of row y from column x on, in the lanes from `lane` on.
  struct Row {
    int64_t y, x, lane, count;
  };

  // Of the `count` <= 16 outputs from `first` on.
  LaneRows(const SlidingWindow& window, int64_t first, int64_t count);

  const Row* begin() const { return rows_.data(); }
  const Row* end() const { return rows_.data() + size_; }

  // Whether no position of the kernel is in the padding. Then the pixels of position (i, j) are
  // those of (0, 0), i rows and j columns farther on.
  bool is_inside() const { return is_inside_; }

 private:
  std::array<Row, kPlaneLanes> rows_;
  int64_t size_ = 0;
  bool is_inside_ = true;
};

class PatchLanes {
 public:
  // Of the outputs of `rows`, at row i and column j of the kernel. Lanes in the padding are in no
  // segment. `offset` is added to those of the segments.
  PatchLanes(const SlidingWindow& window, const LaneRows& rows, int64_t i, int64_t j,
             int64_t offset = 0);

  const LaneSegment* segments() const { return segments_.data(); }
  int64_t size() const { return size_; }

 private:
  void AddRow(const SlidingWindow& window, const LaneRows::Row& outputs, int64_t i, int64_t j,
              int64_t offset);

  std::array<LaneSegment, kPlaneLanes> segments_;
  int64_t size_ = 0;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_PATCH_LANES_H_

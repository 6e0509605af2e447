// Packs float32 panels from planes (plane_lanes.h), one kernel for each level of instructions.
// Internal to this folder.
//
// Example, sixteen pixels of three channels:
//   const LaneSegment all = {0, 0xffff};
//   const int64_t offsets[] = {0, plane_size, 2 * plane_size};
//   const PlanePanel target = {&all, 1, panel};
//   GetPlaneKernel(CurrentInstructionLevel()).pack({pixels, offsets, 3}, &target, 1);

#ifndef RCNN_DETECTION_CONVOLUTION_PLANE_KERNELS_H_
#define RCNN_DETECTION_CONVOLUTION_PLANE_KERNELS_H_

#include <cstdint>

#include "rcnn/base/instruction_set.h"
#include "rcnn/detection/convolution/plane_lanes.h"

namespace rcnn::detection {

// What the rows of all panels have in common.
struct PlaneRows {
  const float* floats = nullptr;
  const int64_t* offsets = nullptr;  // of each row
  int64_t count = 0;                 // rows
  int64_t step = 1;                  // floats between lanes
  int64_t row_stride = kPlaneLanes;  // floats between rows of a panel
  // Every so many rows the pixels of a row `prefetched_rows` later are prefetched. 0: none.
  int64_t prefetch_every = 0, prefetched_rows = 0;
};

// Row d of a panel, at panel[d * row_stride]: lane l of segment s is
// floats[offsets[d] + segments[s].offset + l * step]; lanes in no segment are 0. A lane is in at
// most one segment. Other floats are not read, so that `floats` and the sum of the offsets may lie
// outside the planes where no lane does.
struct PlanePanel {
  const LaneSegment* segments = nullptr;
  int64_t num_segments = 0;
  float* panel = nullptr;
};

struct PlaneKernel {
  InstructionLevel level;
  // Fills the panels row by row: of panels that follow each other a row lies in neighbouring cache
  // lines, those of two channels lie in different pages.
  void (*pack)(const PlaneRows& rows, const PlanePanel* panels, int64_t num_panels);
};

// The kernel of `level` or of the next lower level that has one; kPortable has one.
const PlaneKernel& GetPlaneKernel(InstructionLevel level);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_PLANE_KERNELS_H_

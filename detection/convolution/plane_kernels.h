// Packs float32 panels from planes (plane_lanes.h), one kernel for each level of instructions.
// Internal to this folder.
//
// Example, sixteen pixels of three channels:
//   const LaneSegment all = {0, 0xffff};
//   const int64_t offsets[] = {0, plane_size, 2 * plane_size};
//   GetPlaneKernel(CurrentInstructionLevel()).pack({pixels, offsets, 3, &all, 1, 1}, panel);

#ifndef RCNN_DETECTION_CONVOLUTION_PLANE_KERNELS_H_
#define RCNN_DETECTION_CONVOLUTION_PLANE_KERNELS_H_

#include <cstdint>

#include "rcnn/base/instruction_level.h"
#include "rcnn/detection/convolution/plane_lanes.h"

namespace rcnn::detection {

// Row d of a panel: lane l of segment s is floats[offsets[d] + segments[s].offset + l * step];
// lanes in no segment are 0. A lane is in at most one segment. Other floats are not read, so that
// `floats` and the sum of the offsets may lie outside the planes where no lane does.
struct PlaneRows {
  const float* floats = nullptr;
  const int64_t* offsets = nullptr;
  int64_t count = 0;  // rows
  const LaneSegment* segments = nullptr;
  int64_t num_segments = 0;
  int64_t step = 1;
};

struct PlaneKernel {
  InstructionLevel level;
  // -> panel [count, kPlaneLanes].
  void (*pack)(const PlaneRows& rows, float* panel);
};

// The kernel of `level` or of the next lower level that has one; kPortable has one.
const PlaneKernel& GetPlaneKernel(InstructionLevel level);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_PLANE_KERNELS_H_

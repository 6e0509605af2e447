// Sixteen elements of planes side by side: the lanes of a panel of a convolution that is computed
// as a matrix product. Internal to this folder.
//
// The columns of the product are outputs (patch_lanes.h). A panel has sixteen of them, and over the
// depth one row for each channel and position of the kernel. A row is packed from the planes
// themselves, so there is no matrix of patches in memory.

#ifndef RCNN_DETECTION_CONVOLUTION_PLANE_LANES_H_
#define RCNN_DETECTION_CONVOLUTION_PLANE_LANES_H_

#include <cstdint>

namespace rcnn::detection {

inline constexpr int64_t kPlaneLanes = 16;

// Where the lanes of a panel lie in a plane: lane l at plane[offset + l * step], for the lanes
// whose bit is set.
struct LaneSegment {
  int64_t offset = 0;
  uint32_t lanes = 0;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_PLANE_LANES_H_

// RoIPool of one RoI and one block of channels.
//
// Internal to ops.

#ifndef RCNN_OPS_CPU_ROI_POOL_KERNELS_H_
#define RCNN_OPS_CPU_ROI_POOL_KERNELS_H_

#include <cstdint>
#include <vector>

namespace rcnn::ops {

// The integer type with the width of A, for vectors that select and index vectors
// of A.
template <typename A>
struct IndexType;
template <>
struct IndexType<float> {
  using type = int32_t;
};
template <>
struct IndexType<double> {
  using type = int64_t;
};

// Pixels [begin, end) of a bin along one axis, within the map; none if end <= begin.
struct BinRange {
  int64_t begin;
  int64_t end;
};

struct RoiBins {
  std::vector<BinRange> y;
  std::vector<BinRange> x;
};

// The part of a map, laid out as in channel_blocks.h, that holds a RoI: pixel (y, x)
// starts at element ((y - top) * width + x - left) * kChannelBlock.
template <typename A>
struct MapWindow {
  const A* data;
  int64_t top;
  int64_t left;
  int64_t width;
  int64_t map_width;  // of the whole map, for the indices of argmax
};

// bins [y.size() * x.size()][kChannelBlock] = the maximum over each bin, 0 if it is
// empty. argmax, unless it is null, is the index y * map_width + x of the first
// pixel that holds it in row-major order, -1 if there is none. A NaN is larger than
// any number.
void MaxBlock(const MapWindow<float>& map, const RoiBins& roi, float* bins, int32_t* argmax);
void MaxBlock(const MapWindow<double>& map, const RoiBins& roi, double* bins, int64_t* argmax);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CPU_ROI_POOL_KERNELS_H_

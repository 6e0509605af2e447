// The pixels and weights that a RoIAlign bin reads along one axis.
//
// RoIAlign averages bilinear samples on a regular grid, so a bin is a sum over
// rows of weight_y(row) times a sum over columns of weight_x(column): the two axes
// are independent. The taps of an axis are computed once per RoI and serve all
// channels, and samples that fall on the same pixel are added here, once.
//
// Source: He et al., Mask R-CNN, arXiv:1703.06870, Sec. 3 (RoIAlign).
//
// Internal to ops.

#ifndef RCNN_OPS_CPU_ROI_ALIGN_TAPS_H_
#define RCNN_OPS_CPU_ROI_ALIGN_TAPS_H_

#include <cstdint>
#include <vector>

namespace rcnn::ops {

// An axis of a RoI, in pixels of the feature map.
template <typename A>
struct RoiAxis {
  A start;                  // where the first bin starts; pixel i's centre lies at i
  A length;                 // of all bins together, >= 0
  int64_t bins;             // >= 1
  int64_t samples_per_bin;  // <= 0: ceil(length / bins)
  int64_t size;             // pixels of the map along this axis, >= 1
};

// Sum over t in [bin_begin[b], bin_begin[b + 1]) of weight[t] * map[pixels[slot[t]]]
// is the mean of bin b's samples. A sample further than 1 pixel outside the map
// counts as 0, one nearer takes the value of the edge. Weights of 0 are left out.
template <typename A>
struct AxisTaps {
  std::vector<int32_t> pixels;     // the pixels with a tap, ascending
  std::vector<int32_t> bin_begin;  // bins + 1
  std::vector<int32_t> slot;       // into pixels
  std::vector<A> weight;
};

// Positions are computed in A with torchvision's order of operations, so that both
// agree on which samples are outside the map. Time and memory are O(bins + size +
// samples inside the map): a box much larger than the map costs no more than one of
// the map's size.
template <typename A>
AxisTaps<A> ComputeAxisTaps(const RoiAxis<A>& axis);

extern template AxisTaps<float> ComputeAxisTaps(const RoiAxis<float>&);
extern template AxisTaps<double> ComputeAxisTaps(const RoiAxis<double>&);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CPU_ROI_ALIGN_TAPS_H_

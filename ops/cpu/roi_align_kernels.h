// RoIAlign of one RoI and one block of channels, forward and backward.
//
// The two axes are processed one after the other. For a row of bins, weighted sums
// over map rows are computed first, one for each map column that the RoI touches,
// and then combined into the bins. The gradient takes the reverse path. So a pixel
// is read once per row of bins instead of four times per sample. float32 has kernels for
// AVX2 and AVX-512; every level of instructions gives the same bits.
//
// Internal to ops.

#ifndef RCNN_OPS_CPU_ROI_ALIGN_KERNELS_H_
#define RCNN_OPS_CPU_ROI_ALIGN_KERNELS_H_

#include <cstdint>

#include "rcnn/ops/cpu/roi_align_taps.h"

namespace rcnn::ops {

// A RoI on a map in the layout of channel_blocks.h. The pixel of slots (i, j) of
// the taps starts at element row_offset[i] + column_offset[j].
template <typename A>
struct RoiOnBlock {
  const AxisTaps<A>* y;
  const AxisTaps<A>* x;
  const int64_t* row_offset;
  const int64_t* column_offset;
};

// bins [pooled height * pooled width][kChannelBlock] = RoIAlign of `map`. `columns`
// is scratch of x->pixels.size() * kChannelBlock elements.
void SampleBlock(const float* map, const RoiOnBlock<float>& roi, float* columns, float* bins);
void SampleBlock(const double* map, const RoiOnBlock<double>& roi, double* columns, double* bins);

// map += the gradient with respect to it, where `bins` is the gradient with respect
// to the bins.
void ScatterBlock(const float* bins, const RoiOnBlock<float>& roi, float* columns, float* map);
void ScatterBlock(const double* bins, const RoiOnBlock<double>& roi, double* columns, double* map);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CPU_ROI_ALIGN_KERNELS_H_

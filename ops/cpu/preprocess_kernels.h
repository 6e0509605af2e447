// The two passes of bilinear resizing, a row at a time.
//
// There are kernels for AVX2 and AVX-512; every level of instructions gives the same bits.
//
// Internal to ops.

#ifndef RCNN_OPS_CPU_PREPROCESS_KERNELS_H_
#define RCNN_OPS_CPU_PREPROCESS_KERNELS_H_

#include <cstdint>
#include <vector>

namespace rcnn::ops {

// Positions of output pixels between source pixels along one axis: the value is (1
// - weight) * low + weight * high.
struct ResizeAxis {
  std::vector<int32_t> low;
  std::vector<int32_t> high;
  std::vector<float> weight;
};

// `count` output positions, `step` source pixels apart, over `size` source pixels:
// position i is (i + 0.5) * step - 0.5, clamped to [0, size - 1].
ResizeAxis ComputeResizeAxis(int64_t count, double step, int64_t size);

// Resizes one row of RGB bytes along x: planes[c][i] for i < axis.low.size(). The
// planes are `plane_stride` >= axis.low.size() elements apart. axis.low and high count
// bytes here: 3 * pixel. One byte after the row's last pixel is read, and has no effect.
void ResizeRow(const uint8_t* row, const ResizeAxis& axis, int64_t plane_stride, float* planes);

// to[i] = ((1 - weight) * low[i] + weight * high[i] - mean) * factor, i < count
struct BlendRow {
  float weight;
  float mean;
  float factor;
};
void BlendRows(const float* low, const float* high, const BlendRow& blend, int64_t count,
               float* to);
// The same for three planes into pixels of three channels, to[3 * i + c]: blend[c],
// low[c] and high[c] belong to output channel c.
void BlendRowsToPixels(const float* const low[3], const float* const high[3],
                       const BlendRow blend[3], int64_t count, float* to);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CPU_PREPROCESS_KERNELS_H_

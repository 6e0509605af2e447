// The two passes of bilinear resizing, a row at a time.
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

// `count` output positions, `step` source pixels apart, over `size` source pixels.
ResizeAxis ComputeResizeAxis(int64_t count, double step, int64_t size);

// Rows of `ResizeRow` are this much longer than the output, for whole vectors.
constexpr int64_t kRowSlack = 4;

// planes[c][i], i < axis.low.size(), of one row of RGB bytes; the planes are
// `plane_stride` >= axis.low.size() + kRowSlack elements apart. axis.low and high
// count bytes here: 3 * pixel. One byte after the row's last pixel is read, and has
// no effect.
void ResizeRow(const uint8_t* row, const ResizeAxis& axis, int64_t plane_stride, float* planes);

// to[i * to_stride] = ((1 - weight) * low[i] + weight * high[i] - mean) * factor
struct BlendRow {
  float weight;
  float mean;
  float factor;
};
void BlendRows(const float* low, const float* high, const BlendRow& blend, int64_t count,
               float* to);
// The same for three planes into pixels of three channels; blend[c] and plane
// channel[c] belong to output channel c.
void BlendRowsToPixels(const float* const low[3], const float* const high[3],
                       const BlendRow blend[3], int64_t count, float* to);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CPU_PREPROCESS_KERNELS_H_

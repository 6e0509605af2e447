// RoIAlign over all levels of a pyramid in one launch: the values of roi_align.h and
// multilevel_roi_align.h, and their gradient by roi_gather.h.
//
// Forward: a thread for each element of the result. Backward: a map's gradient at a pixel is
//   sum over RoIs r, bins (i, j) of wy_r[i][y] * wx_r[j][x] * grad[r][c][i][j]
// with the weights of RoiSpan. Sums are float for 16-bit types (element_types.h), offsets 64-bit.
//
// Source: He et al., Mask R-CNN, arXiv:1703.06870, Sec. 3; levels as in multilevel_roi_align.h.

#ifndef RCNN_OPS_KERNELS_ROI_ALIGN_RULE_H_
#define RCNN_OPS_KERNELS_ROI_ALIGN_RULE_H_

#include <cstdint>

#include "rcnn/ops/kernels/element_types.h"
#include "rcnn/ops/kernels/kernel.h"
#include "rcnn/ops/kernels/roi_gather.h"
#include "rcnn/ops/kernels/roi_geometry.h"

namespace rcnn::ops {

template <typename T>
struct RoiAlignRule {
  using Element = T;
  using A = typename ElementSum<T>::type;

  struct Geometry {
    RoiSpan<A> y;
    RoiSpan<A> x;
  };

  RCNN_HOST_DEVICE Geometry Load(const RoiTable<T>& table, int64_t roi) const {
    const LevelMaps<T>& level = table.levels[table.Level(roi)];
    const A* row = table.rois + 5 * roi;
    const A scale = static_cast<A>(level.scale);
    return {SpanOnMap(row[2], row[4], scale, sampling, table.pooled_height, level.height),
            SpanOnMap(row[1], row[3], scale, sampling, table.pooled_width, level.width)};
  }

  RCNN_HOST_DEVICE bool Touches(const Geometry& roi, int64_t row, int64_t column,
                                int64_t side) const {
    return roi.y.FirstPixel() < row + side && roi.y.LastPixel() >= row &&
           roi.x.FirstPixel() < column + side && roi.x.LastPixel() >= column;
  }

  template <int64_t kPerThread>
  RCNN_HOST_DEVICE void Add(const RoiTable<T>& table, const Geometry& geometry, int64_t roi,
                            int64_t row, int64_t column, int64_t channel,
                            A (&sum)[kPerThread]) const {
    const RoiSpan<A>& y = geometry.y;
    const RoiSpan<A>& x = geometry.x;
    const T* bins =
        table.bins + roi * table.bin_strides.image + channel * table.bin_strides.channel;
    const int64_t last_y = y.LastBin(row), last_x = x.LastBin(column);
    for (int64_t i = y.FirstBin(row); i <= last_y; ++i) {
      const A weight_y = y.Weight(i, row);
      if (weight_y == A{0}) continue;
      for (int64_t j = x.FirstBin(column); j <= last_x; ++j) {
        const A weight = weight_y * x.Weight(j, column);
        if (weight == A{0}) continue;
        const T* bin = bins + i * table.bin_strides.row + j * table.bin_strides.column;
        RCNN_UNROLL
        for (int64_t c = 0; c < kPerThread; ++c) {
          if (channel + c >= table.channels) continue;
          sum[c] += weight * ToSum(bin[c * table.bin_strides.channel]);
        }
      }
    }
  }

  RoiSampling sampling;
};

// Element i of the bins in memory.
template <typename T>
struct RoiAlignElement {
  using A = typename ElementSum<T>::type;

  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    const BinPlace place = FindBin(table, i);
    const LevelMaps<T>& level = table.levels[table.Level(place.roi)];
    const T* plane = level.data + table.Image(place.roi) * level.strides.image +
                     place.channel * level.strides.channel;
    const typename RoiAlignRule<T>::Geometry roi = rule.Load(table, place.roi);
    FromSum(MeanOfBin(plane, level.strides, roi.y, place.row, roi.x, place.column), table.bins + i);
  }

  RCNN_HOST_DEVICE static A MeanOfBin(const T* plane, const MapStrides& strides,
                                      const RoiSpan<A>& y, int64_t row, const RoiSpan<A>& x,
                                      int64_t column) {
    const int64_t end_y = y.EndSample(row), end_x = x.EndSample(column);
    const int64_t first_x = x.FirstSample(column);
    A sum = 0;
    for (int64_t i = y.FirstSample(row); i < end_y; ++i) {
      const AxisSample<A> at_y = y.Sample(row, i);
      if (!at_y.is_on_map) continue;
      for (int64_t j = first_x; j < end_x; ++j) {
        const AxisSample<A> at_x = x.Sample(column, j);
        if (!at_x.is_on_map) continue;
        sum += Bilinear(plane, strides, at_y, y.size, at_x, x.size);
      }
    }
    const A count = static_cast<A>(y.samples) * static_cast<A>(x.samples);
    return count > 0 ? sum / count : A{0};
  }

  RCNN_HOST_DEVICE static A Bilinear(const T* plane, const MapStrides& strides,
                                     const AxisSample<A>& y, int64_t height, const AxisSample<A>& x,
                                     int64_t width) {
    const int64_t high_y = Lesser(y.low + 1, height - 1), high_x = Lesser(x.low + 1, width - 1);
    const T* top = plane + y.low * strides.row;
    const T* bottom = plane + high_y * strides.row;
    const A upper = ToSum(top[x.low * strides.column]) * (A{1} - x.fraction) +
                    ToSum(top[high_x * strides.column]) * x.fraction;
    const A lower = ToSum(bottom[x.low * strides.column]) * (A{1} - x.fraction) +
                    ToSum(bottom[high_x * strides.column]) * x.fraction;
    return upper * (A{1} - y.fraction) + lower * y.fraction;
  }

  RoiTable<T> table;
  RoiAlignRule<T> rule;
};

template <typename Launch, typename T>
void AlignRois(Launch& launch, const RoiTable<T>& table, const RoiAlignRule<T>& rule) {
  LaunchForEach(launch, table.NumBins(), RoiAlignElement<T>{table, rule});
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_ROI_ALIGN_RULE_H_

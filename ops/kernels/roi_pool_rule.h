// RoIPool: the values and maxima of roi_pool.h, and their gradient by roi_gather.h. Maps are those
// of one level.
//
// Forward: a thread for each element of the result walks its bin row by row, so that the first of
// equal maxima counts. Backward: a pixel gathers the gradients of the bins whose maximum it is.
// Both sum and compare in the order of the CPU's, and equal it bit by bit. On a device nobody has
// checked the RoIs: the bins of one with a coordinate that is NaN, or of an image that does not
// exist, are NaN, and reach no pixel.
//
// Source: Girshick, Fast R-CNN, arXiv:1504.08083, Sec. 2.1.

#ifndef RCNN_OPS_KERNELS_ROI_POOL_RULE_H_
#define RCNN_OPS_KERNELS_ROI_POOL_RULE_H_

#include <cmath>
#include <cstdint>
#include <limits>

#include "rcnn/ops/kernels/element_types.h"
#include "rcnn/ops/kernels/kernel.h"
#include "rcnn/ops/kernels/roi_gather.h"
#include "rcnn/ops/kernels/roi_table.h"

namespace rcnn::ops {

// The bins of one axis of a RoI, in whole pixels of the map.
template <typename A>
struct PoolAxis {
  int64_t first;  // the RoI's first pixel, which may be outside the map
  A bin_length;   // > 0
  int64_t bins;
  int64_t size;  // of the map; 0 if a coordinate is NaN

  RCNN_HOST_DEVICE int64_t Begin(int64_t bin) const {
    const int64_t low = static_cast<int64_t>(std::floor(static_cast<A>(bin) * bin_length));
    return Clamped<int64_t>(first + low, 0, size);
  }
  RCNN_HOST_DEVICE int64_t End(int64_t bin) const {
    const int64_t high = static_cast<int64_t>(std::ceil(static_cast<A>(bin + 1) * bin_length));
    return Clamped<int64_t>(first + high, 0, size);
  }
  // The bins that may hold `pixel`: [FirstBin, LastBin], perhaps a few more.
  RCNN_HOST_DEVICE int64_t FirstBin(int64_t pixel) const { return BinNear(pixel - first, -2); }
  RCNN_HOST_DEVICE int64_t LastBin(int64_t pixel) const { return BinNear(pixel - first + 1, 1); }
  RCNN_HOST_DEVICE int64_t BinNear(int64_t pixels, int64_t margin) const {
    const A bin = std::floor(static_cast<A>(pixels) / bin_length) + static_cast<A>(margin);
    return static_cast<int64_t>(Clamped(bin, A{0}, static_cast<A>(bins - 1)));
  }
};

// Halves are rounded away from 0, and positions computed in A.
template <typename A>
RCNN_HOST_DEVICE PoolAxis<A> PoolOnMap(A begin, A end, A scale, int64_t bins, int64_t size) {
  if (begin != begin || end != end) return {0, A{1}, bins, 0};
  const int64_t first = static_cast<int64_t>(std::round(begin * scale));
  const int64_t last = static_cast<int64_t>(std::round(end * scale));
  const A length = static_cast<A>(Greater<int64_t>(last - first + 1, 1));
  return {first, length / static_cast<A>(bins), bins, size};
}

template <typename T>
struct RoiPoolRule {
  using Element = T;
  using A = typename ElementSum<T>::type;

  struct Geometry {
    PoolAxis<A> y;
    PoolAxis<A> x;

    RCNN_HOST_DEVICE bool HasNan() const { return y.size == 0 || x.size == 0; }
  };

  RCNN_HOST_DEVICE Geometry Load(const RoiTable<T>& table, int64_t roi) const {
    const LevelMaps<T>& level = table.levels[0];
    const A* row = table.rois + 5 * roi;
    const A scale = static_cast<A>(level.scale);
    return {PoolOnMap(row[2], row[4], scale, table.pooled_height, level.height),
            PoolOnMap(row[1], row[3], scale, table.pooled_width, level.width)};
  }

  RCNN_HOST_DEVICE bool Touches(const Geometry& roi, int64_t row, int64_t column,
                                int64_t side) const {
    return roi.y.Begin(0) < row + side && roi.y.End(roi.y.bins - 1) > row &&
           roi.x.Begin(0) < column + side && roi.x.End(roi.x.bins - 1) > column;
  }

  using Taps = Geometry;

  RCNN_HOST_DEVICE int64_t Rounds(const RoiTable<T>& /*table*/) const { return 1; }

  RCNN_HOST_DEVICE void Prepare(const RoiTable<T>& table, int64_t roi, const MapTile& /*tile*/,
                                int64_t /*round*/, int64_t part, Taps& taps) const {
    if (part == 0) taps = Load(table, roi);
  }

  RCNN_HOST_DEVICE void Add(const RoiTable<T>& table, const Taps& taps, int64_t roi,
                            const MapTile& tile, int64_t /*round*/, int64_t channel,
                            TileSums<A> sums) const {
    const MapStrides& strides = table.bin_strides;
    const int64_t bins = roi * strides.image + channel * strides.channel;
    const int64_t last_y = taps.y.LastBin(tile.row + kTileSide - 1);
    const int64_t first_x = taps.x.FirstBin(tile.column);
    const int64_t last_x = taps.x.LastBin(tile.column + kTileSide - 1);
    for (int64_t i = taps.y.FirstBin(tile.row); i <= last_y; ++i) {
      for (int64_t j = first_x; j <= last_x; ++j) {
        AddBin(table, bins + i * strides.row + j * strides.column, tile, sums);
      }
    }
  }

  // The bin at element `bin`.
  RCNN_HOST_DEVICE void AddBin(const RoiTable<T>& table, int64_t bin, const MapTile& tile,
                               TileSums<A> sums) const {
    const int32_t pixel = argmax[bin];
    if (pixel < 0) return;
    const int32_t width = static_cast<int32_t>(table.levels[0].width);
    const int64_t row = pixel / width - tile.row, column = pixel % width - tile.column;
    if (row < 0 || row >= kTileSide || column < 0 || column >= kTileSide) return;
    sums.At(row, column) += ToSum(table.bins[bin]);
  }

  int32_t* argmax;  // row * width + column of each bin's maximum, as the bins in memory; -1: none
};

// Element i of the bins in memory. Without `argmax` only values are written.
template <typename T>
struct RoiPoolElement {
  using A = typename ElementSum<T>::type;

  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    const BinPlace place = FindBin(table, i);
    constexpr A kNan = std::numeric_limits<A>::quiet_NaN();
    if (!table.ReadsMap(place.roi)) return Write(i, kNan, -1);
    const LevelMaps<T>& level = table.levels[0];
    const T* plane = level.data + table.Image(place.roi) * level.strides.image +
                     place.channel * level.strides.channel;
    const typename RoiPoolRule<T>::Geometry roi = rule.Load(table, place.roi);
    const int64_t end_y = roi.y.End(place.row), end_x = roi.x.End(place.column);
    const int64_t begin_x = roi.x.Begin(place.column);
    A best = roi.HasNan() ? kNan : A{0};
    int64_t at = -1;
    for (int64_t y = roi.y.Begin(place.row); y < end_y; ++y) {
      for (int64_t x = begin_x; x < end_x; ++x) {
        const A value = ToSum(plane[y * level.strides.row + x * level.strides.column]);
        if (at >= 0 && !(value > best) && value == value) continue;
        best = value;
        at = y * level.width + x;
      }
    }
    Write(i, best, at);
  }

  RCNN_HOST_DEVICE void Write(int64_t i, A best, int64_t at) const {
    FromSum(best, table.bins + i);
    if (rule.argmax != nullptr) rule.argmax[i] = static_cast<int32_t>(at);
  }

  RoiTable<T> table;
  RoiPoolRule<T> rule;
};

template <typename Launch, typename T>
void PoolRois(Launch& launch, const RoiTable<T>& table, const RoiPoolRule<T>& rule) {
  LaunchForEach(launch, table.NumBins(), RoiPoolElement<T>{table, rule});
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_ROI_POOL_RULE_H_

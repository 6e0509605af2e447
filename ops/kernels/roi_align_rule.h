// RoIAlign over all levels of a pyramid in one launch: the values of roi_align.h and
// multilevel_roi_align.h, and their gradient by roi_gather.h.
//
// Forward: a thread for each element of the result, or for some channels of a bin, whose samples it
// finds once and whose pixels it reads together, where they lie next to each other. Backward: a
// map's gradient at a pixel is
//   sum over RoIs r, bins (i, j) of wy_r[i][y] * wx_r[j][x] * grad[r][c][i][j]
// with the weights of RoiSpan, which are found once for all channels of a tile, up to kBinSlots
// bins of an axis at a time. Sums are float for 16-bit types (element_types.h), offsets 64-bit.
// The bins of a RoI whose image or level does not exist are NaN, and reach no pixel.
//
// Source: He et al., Mask R-CNN, arXiv:1703.06870, Sec. 3; levels as in multilevel_roi_align.h.

#ifndef RCNN_OPS_KERNELS_ROI_ALIGN_RULE_H_
#define RCNN_OPS_KERNELS_ROI_ALIGN_RULE_H_

#include <cstdint>
#include <limits>

#include "rcnn/ops/kernels/element_types.h"
#include "rcnn/ops/kernels/kernel.h"
#include "rcnn/ops/kernels/roi_gather.h"
#include "rcnn/ops/kernels/roi_geometry.h"
#include "rcnn/ops/kernels/roi_table.h"

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
    return roi.y.Touches(row, side) && roi.x.Touches(column, side);
  }

  // Bins of one axis that are prepared at a time.
  static constexpr int64_t kBinSlots = kParts / 2;

  // What bins count for in the pixels of a tile, [axis][bin]: rows of the tile, then columns.
  struct Taps {
    A weight[2][kBinSlots][kTileSide];
    // The pixels whose weight is not 0, and perhaps some between them.
    uint8_t begin[2][kBinSlots];
    uint8_t end[2][kBinSlots];
  };

  RCNN_HOST_DEVICE static int64_t ColumnRounds(const RoiTable<T>& table) {
    return CeilDivide(table.pooled_width, kBinSlots);
  }
  RCNN_HOST_DEVICE int64_t Rounds(const RoiTable<T>& table) const {
    return CeilDivide(table.pooled_height, kBinSlots) * ColumnRounds(table);
  }
  // The first bins of a round.
  RCNN_HOST_DEVICE static int64_t FirstRow(const RoiTable<T>& table, int64_t round) {
    return round / ColumnRounds(table) * kBinSlots;
  }
  RCNN_HOST_DEVICE static int64_t FirstColumn(const RoiTable<T>& table, int64_t round) {
    return round % ColumnRounds(table) * kBinSlots;
  }

  // A part is a bin of an axis.
  RCNN_HOST_DEVICE void Prepare(const RoiTable<T>& table, int64_t roi, const MapTile& tile,
                                int64_t round, int64_t part, Taps& taps) const {
    const Geometry geometry = Load(table, roi);
    const bool is_row = part < kBinSlots;
    const RoiSpan<A>& span = is_row ? geometry.y : geometry.x;
    const int64_t axis = is_row ? 0 : 1, slot = part % kBinSlots;
    const int64_t bin = slot + (is_row ? FirstRow(table, round) : FirstColumn(table, round));
    if (bin >= span.bins) return;
    A(&weights)[kTileSide] = taps.weight[axis][slot];
    span.Weigh(bin, is_row ? tile.row : tile.column, weights);
    int begin = 0, end = static_cast<int>(kTileSide);
    while (begin < end && weights[begin] == A{0}) ++begin;
    while (end > begin && weights[end - 1] == A{0}) --end;
    taps.begin[axis][slot] = static_cast<uint8_t>(begin);
    taps.end[axis][slot] = static_cast<uint8_t>(end);
  }

  RCNN_HOST_DEVICE void Add(const RoiTable<T>& table, const Taps& taps, int64_t roi,
                            const MapTile& /*tile*/, int64_t round, int64_t channel,
                            TileSums<A> sums) const {
    const int64_t first_row = FirstRow(table, round), first_column = FirstColumn(table, round);
    const MapStrides& strides = table.bin_strides;
    const T* bins = table.bins + roi * strides.image + channel * strides.channel +
                    first_row * strides.row + first_column * strides.column;
    const int64_t rows = Lesser(kBinSlots, table.pooled_height - first_row);
    const int64_t columns = Lesser(kBinSlots, table.pooled_width - first_column);
    for (int64_t i = 0; i < rows; ++i) {
      if (taps.begin[0][i] == taps.end[0][i]) continue;
      for (int64_t j = 0; j < columns; ++j) {
        if (taps.begin[1][j] == taps.end[1][j]) continue;
        AddBin(taps, i, j, ToSum(bins[i * strides.row + j * strides.column]), sums);
      }
    }
  }

  // The bin of slots i and j.
  RCNN_HOST_DEVICE static void AddBin(const Taps& taps, int64_t i, int64_t j, A value,
                                      TileSums<A> sums) {
    const int end_y = taps.end[0][i], end_x = taps.end[1][j];
    for (int y = taps.begin[0][i]; y < end_y; ++y) {
      for (int x = taps.begin[1][j]; x < end_x; ++x) {
        const A weight = taps.weight[0][i][y] * taps.weight[1][j][x];
        if (weight != A{0}) sums.At(y, x) += weight * value;
      }
    }
  }

  RoiSampling sampling;
};

// Elements kRun * i to kRun * (i + 1) - 1 of the bins in memory: channels of one bin. More than one
// only where HasRuns.
template <typename T, int kRun>
struct RoiAlignElements {
  using A = typename ElementSum<T>::type;

  // What a thread reads or writes at once.
  struct alignas(kRun * sizeof(T)) Run {
    T values[kRun];
  };
  struct Sums {
    A values[kRun];
  };

  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    const BinPlace place = FindBin(table, kRun * i);
    if (!table.ReadsMap(place.roi)) return Write(i, Filled(std::numeric_limits<A>::quiet_NaN()));
    const LevelMaps<T>& level = table.levels[table.Level(place.roi)];
    const T* plane = level.data + table.Image(place.roi) * level.strides.image +
                     place.channel * level.strides.channel;
    const typename RoiAlignRule<T>::Geometry roi = rule.Load(table, place.roi);
    Write(i, MeansOfBin(plane, level.strides, roi.y, place.row, roi.x, place.column));
  }

  RCNN_HOST_DEVICE static Sums Filled(A value) {
    Sums sums;
    RCNN_UNROLL
    for (int c = 0; c < kRun; ++c) sums.values[c] = value;
    return sums;
  }

  RCNN_HOST_DEVICE void Write(int64_t i, const Sums& means) const {
    Run run;
    RCNN_UNROLL
    for (int c = 0; c < kRun; ++c) FromSum(means.values[c], &run.values[c]);
    *reinterpret_cast<Run*>(table.bins + kRun * i) = run;
  }

  RCNN_HOST_DEVICE static Sums MeansOfBin(const T* plane, const MapStrides& strides,
                                          const RoiSpan<A>& y, int64_t row, const RoiSpan<A>& x,
                                          int64_t column) {
    const int64_t end_y = y.EndSample(row), end_x = x.EndSample(column);
    const int64_t first_x = x.FirstSample(column);
    Sums sums = Filled(A{0});
    for (int64_t i = y.FirstSample(row); i < end_y; ++i) {
      const AxisSample<A> at_y = y.Sample(row, i);
      if (!at_y.is_on_map) continue;
      for (int64_t j = first_x; j < end_x; ++j) {
        const AxisSample<A> at_x = x.Sample(column, j);
        if (!at_x.is_on_map) continue;
        AddBilinear(plane, strides, at_y, y.size, at_x, x.size, sums);
      }
    }
    const A count = static_cast<A>(y.samples) * static_cast<A>(x.samples);
    RCNN_UNROLL
    for (int c = 0; c < kRun; ++c) sums.values[c] = count > 0 ? sums.values[c] / count : A{0};
    return sums;
  }

  RCNN_HOST_DEVICE static Run Load(const T* from) { return *reinterpret_cast<const Run*>(from); }

  RCNN_HOST_DEVICE static void AddBilinear(const T* plane, const MapStrides& strides,
                                           const AxisSample<A>& y, int64_t height,
                                           const AxisSample<A>& x, int64_t width, Sums& sums) {
    const int64_t high_y = Lesser(y.low + 1, height - 1), high_x = Lesser(x.low + 1, width - 1);
    const T* top = plane + y.low * strides.row;
    const T* bottom = plane + high_y * strides.row;
    const Run top_left = Load(top + x.low * strides.column);
    const Run top_right = Load(top + high_x * strides.column);
    const Run bottom_left = Load(bottom + x.low * strides.column);
    const Run bottom_right = Load(bottom + high_x * strides.column);
    RCNN_UNROLL
    for (int c = 0; c < kRun; ++c) {
      const A upper =
          ToSum(top_left.values[c]) * (A{1} - x.fraction) + ToSum(top_right.values[c]) * x.fraction;
      const A lower = ToSum(bottom_left.values[c]) * (A{1} - x.fraction) +
                      ToSum(bottom_right.values[c]) * x.fraction;
      sums.values[c] += upper * (A{1} - y.fraction) + lower * y.fraction;
    }
  }

  RoiTable<T> table;
  RoiAlignRule<T> rule;
};

// Whether kRun channels lie next to each other in bins and maps, at multiples of their size. Host
// only.
template <int kRun, typename T>
bool HasRuns(const RoiTable<T>& table) {
  const auto is_aligned = [](const T* data) {
    return reinterpret_cast<uintptr_t>(data) % (kRun * sizeof(T)) == 0;
  };
  bool has = table.channels % kRun == 0 && table.bin_strides.channel == 1 && is_aligned(table.bins);
  for (int64_t i = 0; i < table.num_levels; ++i) {
    const MapStrides& strides = table.levels[i].strides;
    has = has && strides.channel == 1 && strides.image % kRun == 0 && strides.row % kRun == 0 &&
          strides.column % kRun == 0 && is_aligned(table.levels[i].data);
  }
  return has;
}

template <typename Launch, typename T>
void AlignRois(Launch& launch, const RoiTable<T>& table, const RoiAlignRule<T>& rule) {
  constexpr int kRun = 16 / sizeof(T);
  if (HasRuns<kRun>(table)) {
    LaunchForEach(launch, table.NumBins() / kRun, RoiAlignElements<T, kRun>{table, rule});
  } else {
    LaunchForEach(launch, table.NumBins(), RoiAlignElements<T, 1>{table, rule});
  }
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_ROI_ALIGN_RULE_H_

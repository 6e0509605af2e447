// The arguments of RoI operators: RoIs, the maps that they read, and their bins.
//
// A RoI reads one map, a level of one image. Forward, maps are read and bins written; backward,
// bins hold the gradient and maps are written. All offsets have 64 bits.

#ifndef RCNN_OPS_KERNELS_ROI_TABLE_H_
#define RCNN_OPS_KERNELS_ROI_TABLE_H_

#include <cstdint>

#include "rcnn/ops/kernels/element_types.h"
#include "rcnn/ops/kernels/kernel.h"

namespace rcnn::ops {

constexpr int64_t kMaxRoiLevels = 8;

// Distances in elements of a tensor [N, C, H, W].
struct MapStrides {
  int64_t image;  // or RoI
  int64_t channel;
  int64_t row;
  int64_t column;
};

// One level: maps of all images.
template <typename T>
struct LevelMaps {
  T* data;
  int64_t height;
  int64_t width;
  MapStrides strides;
  double scale;  // map pixels per image pixel
};

// RoIs, the maps they read, and their bins.
template <typename T>
struct RoiTable {
  using A = typename ElementSum<T>::type;

  LevelMaps<T> levels[kMaxRoiLevels];  // read forward, written backward
  int64_t num_levels;
  int64_t images;
  int64_t channels;
  int64_t num_rois;
  const A* rois;              // [num_rois, 5], (image, x1, y1, x2, y2)
  const int64_t* roi_levels;  // [num_rois]; null: all 0
  int64_t pooled_height;
  int64_t pooled_width;
  T* bins;  // [num_rois, channels, pooled_height, pooled_width]; written forward, read backward
  MapStrides bin_strides;

  RCNN_HOST_DEVICE int64_t NumBins() const {
    return num_rois * channels * pooled_height * pooled_width;
  }
  RCNN_HOST_DEVICE int64_t NumMaps() const { return num_levels * images; }

  // On a device nobody has checked the RoIs: the level or image that a RoI reads, or -1 if there is
  // none of that number.
  RCNN_HOST_DEVICE int64_t Level(int64_t roi) const {
    const int64_t level = roi_levels == nullptr ? 0 : roi_levels[roi];
    return level >= 0 && level < num_levels ? level : -1;
  }
  RCNN_HOST_DEVICE int64_t Image(int64_t roi) const {
    const A image = rois[5 * roi];
    if (!(image >= 0 && image < static_cast<A>(images))) return -1;
    const auto index = static_cast<int64_t>(image);
    return static_cast<A>(index) == image ? index : -1;
  }
  RCNN_HOST_DEVICE bool ReadsMap(int64_t roi) const { return Level(roi) >= 0 && Image(roi) >= 0; }
};

// Which bin an index into the bins' memory is.
struct BinPlace {
  int64_t roi;
  int64_t channel;
  int64_t row;
  int64_t column;
};

// Of element i in memory of dense bins, contiguous or channels-last: threads that run together read
// neighbouring bins or channels, and write whole lines.
template <typename T>
RCNN_HOST_DEVICE BinPlace FindBin(const RoiTable<T>& table, int64_t i) {
  const int64_t pooled = table.pooled_height * table.pooled_width;
  const bool is_channels_last = table.bin_strides.channel == 1 && pooled > 1;
  const int64_t rest = i % (table.channels * pooled);
  const int64_t bin = is_channels_last ? rest / table.channels : rest % pooled;
  return {i / (table.channels * pooled), is_channels_last ? rest % table.channels : rest / pooled,
          bin / table.pooled_width, bin % table.pooled_width};
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_ROI_TABLE_H_

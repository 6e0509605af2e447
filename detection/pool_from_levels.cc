#include "rcnn/detection/pool_from_levels.h"

#include <ATen/ATen.h>
#include <c10/util/Optional.h>

#include <algorithm>
#include <cstdint>

#include "rcnn/base/autocast_scope.h"
#include "rcnn/base/counted.h"
#include "rcnn/ops/multilevel_roi_align.h"
#include "rcnn/ops/roi_align.h"
#include "rcnn/ops/roi_pool.h"

namespace rcnn::detection {
namespace {

std::vector<at::Tensor> AsFloat32(const std::vector<at::Tensor>& maps) {
  std::vector<at::Tensor> converted;
  for (const at::Tensor& map : maps) {
    converted.push_back(map.element_size() < 4 ? map.to(at::kFloat) : map);
  }
  return converted;
}

// Maps are shorter under autocast. RoIAlign on a device reads them as they are, with sums in
// float32, and rounds its result to their type, as the layers after it would.
bool ReadsShortMaps(const std::vector<at::Tensor>& maps) {
  if (maps.front().is_cpu()) return false;
  const c10::optional<c10::ScalarType> type = AutocastType(maps.front().device().type());
  return type && std::all_of(maps.begin(), maps.end(),
                             [&](const at::Tensor& map) { return map.scalar_type() == *type; });
}

}  // namespace

at::Tensor PoolFromLevels(const std::vector<at::Tensor>& all_maps,
                          const std::vector<FeatureLevel>& levels, const at::Tensor& rois,
                          const configs::RoiPoolingConfig& config) {
  TORCH_CHECK(all_maps.size() >= levels.size(), "head: ", Counted(all_maps.size(), "map"), " for ",
              Counted(levels.size(), "level"));
  const std::vector<at::Tensor> maps =
      !config.has_roi_pool() && ReadsShortMaps(all_maps) ? all_maps : AsFloat32(all_maps);
  const double scale = 1.0 / static_cast<double>(levels.front().stride);
  if (config.has_roi_pool())
    return ops::RoiPool(maps[0], rois, {config.size(), config.size(), scale});
  const configs::RoiAlignConfig& align = config.roi_align();
  if (levels.size() == 1) {
    return ops::RoiAlign(
        maps[0], rois,
        {config.size(), config.size(), scale, align.sampling_ratio(), align.half_pixel_centers()});
  }
  ops::MultilevelRoiAlignOptions options;
  options.pooled_height = options.pooled_width = config.size();
  options.sampling_ratio = align.sampling_ratio();
  options.aligned = align.half_pixel_centers();
  options.min_level = 0;  // log2 of the stride, as the levels are numbered
  while (int64_t{1} << (options.min_level + 1) <= levels.front().stride) ++options.min_level;
  for (const FeatureLevel& level : levels) {
    options.spatial_scales.push_back(1.0 / static_cast<double>(level.stride));
  }
  return ops::MultilevelRoiAlign(at::TensorList(maps).slice(0, levels.size()), rois, options);
}

}  // namespace rcnn::detection

#include "rcnn/data/selective_search/search_config.h"

#include "rcnn/base/check_range.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::data {

absl::Status CheckSelectiveSearchConfig(const configs::SelectiveSearchConfig& config) {
  const int32_t side = config.max_longest_side_px();
  if (side != 0) RCNN_RETURN_IF_ERROR(CheckRange("max_longest_side_px", side, 32, 1 << 14));
  RCNN_RETURN_IF_ERROR(CheckRange("base_k", config.base_k(), 1, 1e6));
  RCNN_RETURN_IF_ERROR(CheckRange("step_k", config.step_k(), 0, 1e6));
  RCNN_RETURN_IF_ERROR(CheckRange("sigma", config.sigma(), 0.01, 100));
  RCNN_RETURN_IF_ERROR(CheckRange("min_region_px2", config.min_region_px2(), 1, 1e6));
  RCNN_RETURN_IF_ERROR(CheckRange("min_side_px", config.min_side_px(), 0, 1e6));
  return CheckRange("max_boxes", config.max_boxes(), 0, 1e6);
}

}  // namespace rcnn::data

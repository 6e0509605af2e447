#include "rcnn/ops/roi_align.h"

#include <ATen/ops/zeros.h>

#include "rcnn/ops/roi_align_levels.h"
#include "rcnn/ops/rois.h"

namespace rcnn::ops {

at::Tensor RoiAlign(const at::Tensor& input, const at::Tensor& rois,
                    const RoiAlignOptions& options) {
  CheckSpatialScale(options.spatial_scale);
  CheckPooledSize(options.pooled_height, options.pooled_width);
  CheckSamplingRatio(options.sampling_ratio);
  CheckRoiInput(input, "input", rois);
  CheckRois(rois, "rois", input.size(0), options.spatial_scale);
  return RoiAlignLevels(
      input, rois, at::zeros({rois.size(0)}, at::kLong), {options.spatial_scale},
      {options.pooled_height, options.pooled_width, options.sampling_ratio, options.aligned});
}

}  // namespace rcnn::ops

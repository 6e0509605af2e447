#include "rcnn/ops/roi_align.h"

#include <ATen/ops/zeros_like.h>

#include "rcnn/ops/dispatch.h"
#include "rcnn/ops/roi_align_levels.h"
#include "rcnn/ops/rois.h"

namespace rcnn::ops {

at::Tensor RoiAlign(const at::Tensor& input, const at::Tensor& rois,
                    const RoiAlignOptions& options) {
  CheckSpatialScale(options.spatial_scale);
  CheckPooledSize(options.pooled_height, options.pooled_width);
  CheckSamplingRatio(options.sampling_ratio);
  CheckRoiInput(input, "input", rois, /*takes_half=*/true);
  CheckRoisShape(rois, "rois");
  const at::Tensor levels =
      at::zeros_like(rois.detach().select(1, 0), rois.options().dtype(at::kLong));
  return RoiAlignLevels(
      input, rois, levels, {options.spatial_scale},
      {options.pooled_height, options.pooled_width, options.sampling_ratio, options.aligned});
}

namespace {

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  DefineCompositeOperator(
      m,
      "roi_align(Tensor input, Tensor rois, float spatial_scale, int pooled_height=7, "
      "int pooled_width=7, int sampling_ratio=0, bool aligned=True) -> Tensor",
      [](const at::Tensor& input, const at::Tensor& rois, double spatial_scale,
         int64_t pooled_height, int64_t pooled_width, int64_t sampling_ratio, bool aligned) {
        return RoiAlign(input, rois,
                        {pooled_height, pooled_width, spatial_scale, sampling_ratio, aligned});
      },
      AutocastRule::kReadsMaps);
}

}  // namespace

}  // namespace rcnn::ops

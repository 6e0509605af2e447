// torch.ops.rcnn: roi_align, roi_pool, multilevel_roi_align.

#include <torch/library.h>

#include "rcnn/ops/multilevel_roi_align.h"
#include "rcnn/ops/roi_align.h"
#include "rcnn/ops/roi_pool.h"

namespace rcnn::ops {
namespace {

at::Tensor RoiAlignOp(const at::Tensor& input, const at::Tensor& rois, double spatial_scale,
                      int64_t pooled_height, int64_t pooled_width, int64_t sampling_ratio,
                      bool aligned) {
  return RoiAlign(input, rois,
                  {pooled_height, pooled_width, spatial_scale, sampling_ratio, aligned});
}

at::Tensor RoiPoolOp(const at::Tensor& input, const at::Tensor& rois, double spatial_scale,
                     int64_t pooled_height, int64_t pooled_width) {
  return RoiPool(input, rois, {pooled_height, pooled_width, spatial_scale});
}

at::Tensor MultilevelRoiAlignOp(at::TensorList features, const at::Tensor& rois,
                                at::ArrayRef<double> spatial_scales, int64_t pooled_height,
                                int64_t pooled_width, int64_t sampling_ratio, bool aligned,
                                int64_t min_level, int64_t canonical_level,
                                double canonical_size_px) {
  return MultilevelRoiAlign(features, rois,
                            {pooled_height, pooled_width, spatial_scales.vec(), sampling_ratio,
                             aligned, min_level, canonical_level, canonical_size_px});
}

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  m.def(
      "roi_align(Tensor input, Tensor rois, float spatial_scale, int pooled_height=7, "
      "int pooled_width=7, int sampling_ratio=0, bool aligned=True) -> Tensor",
      &RoiAlignOp);
  m.def(
      "roi_pool(Tensor input, Tensor rois, float spatial_scale, int pooled_height=7, "
      "int pooled_width=7) -> Tensor",
      &RoiPoolOp);
  m.def(
      "multilevel_roi_align(Tensor[] features, Tensor rois, float[] spatial_scales, "
      "int pooled_height=7, int pooled_width=7, int sampling_ratio=0, bool aligned=True, *, "
      "int min_level=2, int canonical_level=4, float canonical_size_px=224.) -> Tensor",
      &MultilevelRoiAlignOp);
}

}  // namespace
}  // namespace rcnn::ops

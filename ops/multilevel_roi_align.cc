#include "rcnn/ops/multilevel_roi_align.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/log2.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "rcnn/ops/check.h"
#include "rcnn/ops/dispatch.h"
#include "rcnn/ops/roi_align_levels.h"
#include "rcnn/ops/rois.h"

namespace rcnn::ops {
namespace {

// The values of boxes are not checked here: NaN is an area of 0.
int64_t FindLevel(const double* box, const FpnLevelRule& rule) {
  const double area = std::max(0.0, (box[2] - box[0]) * (box[3] - box[1]));
  // Eq. 1 of the paper.
  const double level = std::floor(static_cast<double>(rule.canonical_level) +
                                  std::log2(std::sqrt(area) / rule.canonical_size_px + 1e-8));
  return static_cast<int64_t>(std::clamp(level, static_cast<double>(rule.min_level),
                                         static_cast<double>(rule.max_level))) -
         rule.min_level;
}

at::Tensor LevelsOnCpu(const at::Tensor& rois, int64_t min_level, int64_t max_level,
                       int64_t canonical_level, double canonical_size_px) {
  const FpnLevelRule rule = {min_level, max_level, canonical_level, canonical_size_px};
  at::Tensor levels = at::empty({rois.size(0)}, at::kLong);
  const at::Tensor values = rois.detach().to(at::kDouble).contiguous();
  const double* roi = values.data_ptr<double>();
  int64_t* level = levels.data_ptr<int64_t>();
  for (int64_t r = 0; r < rois.size(0); ++r) level[r] = FindLevel(roi + 5 * r + 1, rule);
  return levels;
}

at::Tensor LevelsOnMeta(const at::Tensor& rois, int64_t, int64_t, int64_t, double) {
  return at::empty({rois.size(0)}, rois.options().dtype(at::kLong));
}

// On devices without a kernel: the formula of FindLevel. A NaN would become an index.
at::Tensor LevelsElsewhere(const at::Tensor& rois, int64_t min_level, int64_t max_level,
                           int64_t canonical_level, double canonical_size_px) {
  const at::NoGradGuard no_grad;
  const at::Tensor values = rois.to(at::kDouble);
  const auto column = [&](int64_t i) { return values.select(1, i); };
  const at::Tensor signed_area = (column(3) - column(1)) * (column(4) - column(2));
  const at::Tensor area = signed_area.masked_fill(signed_area.gt(0).logical_not(), 0);
  const at::Tensor level =
      (at::log2(area.sqrt() / canonical_size_px + 1e-8) + canonical_level).floor();
  return level.clamp(min_level, max_level).to(at::kLong) - min_level;
}

void CheckRule(const FpnLevelRule& rule) {
  TORCH_CHECK(rule.max_level >= rule.min_level, "max_level: expected at least min_level, ",
              rule.min_level, ", got ", rule.max_level);
  TORCH_CHECK(std::isfinite(rule.canonical_size_px) && rule.canonical_size_px > 0,
              "canonical_size_px: expected a positive number, got ", rule.canonical_size_px);
}

void CheckFeatures(at::TensorList features, const at::Tensor& rois,
                   const std::vector<double>& scales) {
  TORCH_CHECK(!features.empty(), "features: expected at least one map, got none");
  TORCH_CHECK(features.size() == scales.size(), "spatial_scales: expected one per map, ",
              features.size(), ", got ", scales.size());
  for (size_t i = 0; i < features.size(); ++i) {
    CheckSpatialScale(scales[i]);
    CheckRoiInput(features[i], ("features[" + std::to_string(i) + "]").c_str(), rois,
                  /*takes_half=*/true);
  }
  CheckRoisShape(rois, "rois");
}

}  // namespace

at::Tensor FpnLevels(const at::Tensor& rois, const FpnLevelRule& rule) {
  CheckRule(rule);
  CheckRoisShape(rois, "rois");
  static const auto op = FindOperator<decltype(LevelsOnCpu)>("_fpn_levels");
  return op.call(rois, rule.min_level, rule.max_level, rule.canonical_level,
                 rule.canonical_size_px);
}

at::Tensor MultilevelRoiAlign(at::TensorList features, const at::Tensor& rois,
                              const MultilevelRoiAlignOptions& options) {
  CheckPooledSize(options.pooled_height, options.pooled_width);
  CheckSamplingRatio(options.sampling_ratio);
  CheckFeatures(features, rois, options.spatial_scales);
  const FpnLevelRule rule{options.min_level,
                          options.min_level + static_cast<int64_t>(features.size()) - 1,
                          options.canonical_level, options.canonical_size_px};
  return RoiAlignLevels(
      features, rois, FpnLevels(rois, rule), options.spatial_scales,
      {options.pooled_height, options.pooled_width, options.sampling_ratio, options.aligned});
}

namespace {

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  DefineComposedOperator(m,
                         "_fpn_levels(Tensor rois, int min_level, int max_level, "
                         "int canonical_level, float canonical_size_px) -> Tensor",
                         &LevelsOnCpu, &LevelsOnMeta, &LevelsElsewhere);
  DefineCompositeOperator(
      m,
      "multilevel_roi_align(Tensor[] features, Tensor rois, float[] spatial_scales, "
      "int pooled_height=7, int pooled_width=7, int sampling_ratio=0, bool aligned=True, *, "
      "int min_level=2, int canonical_level=4, float canonical_size_px=224.) -> Tensor",
      [](at::TensorList features, const at::Tensor& rois, at::ArrayRef<double> spatial_scales,
         int64_t pooled_height, int64_t pooled_width, int64_t sampling_ratio, bool aligned,
         int64_t min_level, int64_t canonical_level, double canonical_size_px) {
        return MultilevelRoiAlign(
            features, rois,
            {pooled_height, pooled_width, spatial_scales.vec(), sampling_ratio, aligned, min_level,
             canonical_level, canonical_size_px});
      },
      AutocastRule::kReadsMaps);
}

}  // namespace

}  // namespace rcnn::ops

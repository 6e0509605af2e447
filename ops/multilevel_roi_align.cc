#include "rcnn/ops/multilevel_roi_align.h"

#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "rcnn/ops/check.h"
#include "rcnn/ops/roi_align_levels.h"
#include "rcnn/ops/rois.h"

namespace rcnn::ops {
namespace {

int64_t LevelOfBox(const double* box, const FpnLevelRule& rule) {
  const double area = std::max((box[2] - box[0]) * (box[3] - box[1]), 0.0);
  // Eq. 1 of the paper.
  const double level = std::floor(static_cast<double>(rule.canonical_level) +
                                  std::log2(std::sqrt(area) / rule.canonical_size_px + 1e-8));
  return static_cast<int64_t>(std::clamp(level, static_cast<double>(rule.min_level),
                                         static_cast<double>(rule.max_level))) -
         rule.min_level;
}

void CheckRule(const FpnLevelRule& rule) {
  TORCH_CHECK(rule.max_level >= rule.min_level, "max_level: expected at least min_level, ",
              rule.min_level, ", is ", rule.max_level);
  TORCH_CHECK(std::isfinite(rule.canonical_size_px) && rule.canonical_size_px > 0,
              "canonical_size_px: expected a positive number, is ", rule.canonical_size_px);
}

void CheckFeatures(at::TensorList features, const at::Tensor& rois,
                   const std::vector<double>& scales) {
  TORCH_CHECK(!features.empty(), "features: expected at least one map, is empty");
  TORCH_CHECK(features.size() == scales.size(), "spatial_scales: expected one per map, ",
              features.size(), ", are ", scales.size());
  for (size_t i = 0; i < features.size(); ++i) {
    CheckSpatialScale(scales[i]);
    CheckRoiInput(features[i], ("features[" + std::to_string(i) + "]").c_str(), rois);
  }
  CheckRois(rois, "rois", features[0].size(0), *std::max_element(scales.begin(), scales.end()));
}

}  // namespace

at::Tensor FpnLevels(const at::Tensor& rois, const FpnLevelRule& rule) {
  CheckRule(rule);
  CheckShape(rois, "rois", {-1, 5});
  CheckDtype(rois, "rois", {at::kFloat, at::kDouble, at::kBFloat16});
  at::Tensor levels = at::zeros({rois.size(0)}, at::kLong);
  if (rois.is_meta()) return levels;
  const at::Tensor values = rois.detach().to(at::kCPU, at::kDouble).contiguous();
  const double* roi = values.data_ptr<double>();
  int64_t* level = levels.data_ptr<int64_t>();
  for (int64_t r = 0; r < rois.size(0); ++r) level[r] = LevelOfBox(roi + 5 * r + 1, rule);
  return levels;
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

}  // namespace rcnn::ops

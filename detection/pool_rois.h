// Pools regions of interest (RoIs) from a batch whose images may differ in size.
//
// Each RoI reads the maps of its own image, so that a RoI at the image's border takes the values of
// that border, as it does where the image is alone.
//
// Example:
//   at::Tensor pooled = PoolRois(maps, rois, [](const FeatureMaps& part, const at::Tensor& own) {
//     return ops::RoiAlign(part.levels[0], own, {7, 7, 1.0 / 16});
//   });

#ifndef RCNN_DETECTION_POOL_ROIS_H_
#define RCNN_DETECTION_POOL_ROIS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "rcnn/detection/targets.h"

namespace rcnn::detection {

// Pools RoIs [R, 5] of images of one size, numbered from 0, into [R, ...].
using RoiPooling = absl::FunctionRef<at::Tensor(const FeatureMaps& maps, const at::Tensor& rois)>;

// Pools `rois` [R, 5], (image of the batch, x1, y1, x2, y2), in any order, and returns the results
// [R, ...] in this order. Differentiable if `pool` is. Images of one size are pooled in one call.
// Otherwise throws c10::Error if a RoI is of no image of the batch.
at::Tensor PoolRois(const BatchFeatures& maps, const at::Tensor& rois, RoiPooling pool);

// The same for RoIs that come one image after another, `rois_of_image` for each image, which need
// no search: nothing waits for a device. Throws c10::Error on other numbers of images or RoIs.
at::Tensor PoolRois(const BatchFeatures& maps, const at::Tensor& rois,
                    const std::vector<int64_t>& rois_of_image, RoiPooling pool);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_POOL_ROIS_H_

// Crops the features of RoIs from the maps of images of one size, as RoiPoolingConfig says: by
// RoIPool from one map, or by RoIAlign from one map or a pyramid, where the size of a RoI selects
// the level. Images of different sizes: pool_rois.h.
//
// Shapes: B images; L levels; R RoIs; C channels.
//
// Source: Girshick, arXiv:1504.08083, Sec. 2.1, for RoIPool; He et al., Mask R-CNN,
// arXiv:1703.06870, Sec. 3, for RoIAlign; Lin et al., Feature Pyramid Networks,
// arXiv:1612.03144v2, Eq. 1, for the level.
//
// Example:
//   at::Tensor crops = PoolFromLevels(maps, levels, rois, config.pool());

#ifndef RCNN_DETECTION_POOL_FROM_LEVELS_H_
#define RCNN_DETECTION_POOL_FROM_LEVELS_H_

#include <ATen/core/Tensor.h>

#include <vector>

#include "rcnn/configs/model.pb.h"
#include "rcnn/detection/backbone.h"

namespace rcnn::detection {

// Returns [R, C, size, size], of which `config` has the size. Differentiable.
//
//   maps    [B, C, H_l, W_l], finest first, at least L; those after the first L are not read
//   levels  the L levels that RoIs are pooled from; one for RoIPool
//   rois    [R, 5] float32, (image, x1, y1, x2, y2) in pixels of the network's input
// The result is float32, and float64 for such maps. Under autocast, on another device than the CPU,
// RoIAlign of maps of the short type gives that type, to which the layers after it round. Throws
// c10::Error on fewer maps than levels, and as the operators do.
at::Tensor PoolFromLevels(const std::vector<at::Tensor>& maps,
                          const std::vector<FeatureLevel>& levels, const at::Tensor& rois,
                          const configs::RoiPoolingConfig& config);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_POOL_FROM_LEVELS_H_

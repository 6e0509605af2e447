// The anchors of all levels for the maps of a batch, from a config.
//
// Wraps ops/anchors.h: splits the sizes over the levels, and implements both rules
// for the distance between anchors: the network's stride, and the input's side
// divided by the map's.

#ifndef RCNN_DETECTION_ANCHOR_GRID_H_
#define RCNN_DETECTION_ANCHOR_GRID_H_

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/detection/backbone.h"
#include "rcnn/detection/targets.h"
#include "rcnn/ops/anchors.h"

namespace rcnn::detection {

// Writes out all defaults, including those that depend on the number of levels.
configs::AnchorConfig WithDefaults(const configs::AnchorConfig& config, size_t num_levels);

class AnchorGrid {
 public:
  // kInvalidArgument if the sizes cannot be split evenly, or if sizes, ratios or
  // offset are out of range.
  static absl::StatusOr<AnchorGrid> Create(const configs::AnchorConfig& config,
                                           const std::vector<FeatureLevel>& levels);

  // The same on all levels.
  int64_t anchors_per_cell() const { return base_.front().size(0); }

  // The anchors [H W A, 4] float32 of each of `maps` [B, C, H, W], in pixels of the
  // input, for images of input_height x input_width pixels; placed on the maps' device. On another
  // device than the CPU those of the last sizes are kept there. Throws c10::Error on another number
  // of maps. Thread-safe.
  std::vector<at::Tensor> Generate(const std::vector<at::Tensor>& maps, int64_t input_height,
                                   int64_t input_width) const;
  // The same for an image whose maps are not here; on the CPU.
  std::vector<at::Tensor> Generate(const MapExtents& extents) const;

 private:
  class Cache;

  AnchorGrid();

  std::vector<at::Tensor> Place(const MapExtents& extents, const c10::Device& device) const;

  bool stride_from_input_ = false;
  std::vector<int64_t> strides_;
  std::vector<at::Tensor> base_;
  std::shared_ptr<Cache> cache_;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_ANCHOR_GRID_H_

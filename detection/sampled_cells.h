// The feature-map cells of some anchors, for computing a network at these anchors only.
//
// Shapes: B images; A anchors per cell; N anchors per image over all levels, level by
// level, in each cell by cell.
//
// Example:
//   SampledCells sampled = FindSampledCells(maps, anchors_per_cell, {positive, negative});

#ifndef RCNN_DETECTION_SAMPLED_CELLS_H_
#define RCNN_DETECTION_SAMPLED_CELLS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace rcnn::detection {

struct SampledCells {
  // Per level, [M_l] int64: (b H_l + y) W_l + x, ascending and unique.
  std::vector<at::Tensor> cells;
  // The requested anchors, [K] int64 each, as indices into these cells, level after level:
  // A (row of the cell) + (anchor in the cell).
  std::vector<at::Tensor> anchors;
};

// maps [B, C, H_l, W_l], one per level, of which only the sizes are used; anchors: lists
// [K] int64 on the CPU, b N + n. Throws c10::Error on maps of different B and on an anchor
// that is not in the batch.
SampledCells FindSampledCells(const std::vector<at::Tensor>& maps, int64_t anchors_per_cell,
                              const std::vector<at::Tensor>& anchors);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_SAMPLED_CELLS_H_

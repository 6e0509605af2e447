// The arguments of the kernels of kernels/box_matching.h, from those of batch_matcher.h.
//
// Internal to ops.

#ifndef RCNN_OPS_BATCH_MATCHER_WORK_H_
#define RCNN_OPS_BATCH_MATCHER_WORK_H_

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/util/Optional.h>

#include <cstdint>

#include "rcnn/ops/cuda/match_work.h"
#include "rcnn/ops/kernels/box_matching.h"
#include "rcnn/ops/matcher.h"

namespace rcnn::ops {

// The tensors that a launch reads and writes: contiguous, and they must outlive it.
struct MatchBatchTensors {
  at::Tensor boxes;        // [B, N, 4] or [N, 4]
  at::Tensor gt_boxes;     // [B, G, 4]
  at::Tensor gt_counts;    // [B]
  at::Tensor gt_is_crowd;  // [B, G], or undefined
  at::Tensor eligible;     // [B, N], or undefined
  at::Tensor gt_best;      // [B, G], scratch
  Matches results;         // [B, N]
};

inline at::Tensor ContiguousMask(const c10::optional<at::Tensor>& mask) {
  return mask.has_value() ? mask->contiguous() : at::Tensor();
}

// From checked arguments.
inline MatchBatchTensors MakeMatchBatchTensors(const at::Tensor& boxes, const at::Tensor& gt_boxes,
                                               const at::Tensor& gt_counts,
                                               const c10::optional<at::Tensor>& gt_is_crowd,
                                               const c10::optional<at::Tensor>& eligible) {
  const int64_t images = gt_boxes.size(0), rows = boxes.size(-2);
  const at::TensorOptions longs = boxes.options().dtype(at::kLong);
  return {boxes.detach().contiguous(),
          gt_boxes.detach().contiguous(),
          gt_counts.contiguous(),
          ContiguousMask(gt_is_crowd),
          ContiguousMask(eligible),
          at::empty({images, gt_boxes.size(1)}, boxes.options()),
          {at::empty({images, rows}, longs), at::empty({images, rows}, longs),
           at::empty({images, rows}, boxes.options())}};
}

// T is the dtype of the boxes.
template <typename T>
MatchWork<T> MakeMatchBatchWork(const MatchBatchTensors& tensors, const MatcherOptions& options) {
  MatchWork<T> work = MakeMatchWork<T>(options);
  work.images = tensors.gt_boxes.size(0);
  work.boxes_per_image = tensors.boxes.size(-2);
  work.gt_capacity = tensors.gt_boxes.size(1);
  work.boxes = tensors.boxes.data_ptr<T>();
  work.image_stride = tensors.boxes.dim() == 3 ? 4 * work.boxes_per_image : 0;
  work.gt = tensors.gt_boxes.data_ptr<T>();
  work.gt_count = tensors.gt_counts.data_ptr<int64_t>();
  if (tensors.gt_is_crowd.defined()) work.gt_is_crowd = tensors.gt_is_crowd.data_ptr<bool>();
  if (tensors.eligible.defined()) work.eligible = tensors.eligible.data_ptr<bool>();
  work.gt_best = tensors.gt_best.data_ptr<T>();
  work.labels = tensors.results.labels.data_ptr<int64_t>();
  work.gt_index = tensors.results.gt_index.data_ptr<int64_t>();
  work.iou = tensors.results.iou.data_ptr<T>();
  return work;
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_BATCH_MATCHER_WORK_H_

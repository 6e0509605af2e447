#include "rcnn/ops/matcher.h"

#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include <tuple>

#include "rcnn/ops/batch_matcher.h"
#include "rcnn/ops/batch_matcher_work.h"
#include "rcnn/ops/cuda/match_work.h"
#include "rcnn/ops/cuda/matcher.h"
#include "rcnn/ops/cuda/registration.h"

namespace rcnn::ops {
namespace {

// The values of an optional mask that must outlive the launch.
const bool* MaskData(const c10::optional<at::Tensor>& mask, at::Tensor* readable) {
  if (!mask.has_value()) return nullptr;
  *readable = mask->contiguous();
  return readable->data_ptr<bool>();
}

// A batch of one image.
template <typename T>
MatchWork<T> MakeWork(const at::Tensor& boxes, const at::Tensor& gt,
                      const MatcherOptions& options) {
  MatchWork<T> work = MakeMatchWork<T>(options);
  work.images = 1;
  work.boxes_per_image = boxes.size(0);
  work.gt_capacity = gt.size(0);
  work.boxes = boxes.data_ptr<T>();
  work.gt = gt.data_ptr<T>();
  return work;
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> MatchOnCuda(
    const at::Tensor& boxes, const at::Tensor& gt_boxes, double foreground_iou,
    double background_max_iou, double background_min_iou, bool match_best_of_each_gt,
    double min_best_iou, double crowd_share, bool crowd_hides_foreground, bool inclusive,
    const c10::optional<at::Tensor>& gt_is_crowd, const c10::optional<at::Tensor>& eligible) {
  const MatcherOptions options = {foreground_iou,         background_max_iou, background_min_iou,
                                  match_best_of_each_gt,  min_best_iou,       crowd_share,
                                  crowd_hides_foreground, inclusive};
  CheckMatchArguments(boxes, gt_boxes, options, gt_is_crowd, eligible);
  const c10::cuda::CUDAGuard guard(boxes.device());
  const at::Tensor rows = boxes.detach().contiguous(), gt = gt_boxes.detach().contiguous();
  const at::Tensor labels = at::empty({rows.size(0)}, rows.options().dtype(at::kLong));
  const at::Tensor gt_index = at::empty_like(labels);
  const at::Tensor iou = at::empty({rows.size(0)}, rows.options());
  at::Tensor crowd_mask, eligible_mask;
  AT_DISPATCH_FLOATING_TYPES(rows.scalar_type(), "match_boxes", [&] {
    MatchWork<scalar_t> work = MakeWork<scalar_t>(rows, gt, options);
    work.gt_is_crowd = MaskData(gt_is_crowd, &crowd_mask);
    work.eligible = MaskData(eligible, &eligible_mask);
    work.labels = labels.data_ptr<int64_t>();
    work.gt_index = gt_index.data_ptr<int64_t>();
    work.iou = iou.data_ptr<scalar_t>();
    Workspace workspace;
    workspace.Add(&work.gt_best, work.gt_capacity);
    const at::Tensor memory = workspace.Allocate(rows);
    CheckLaunch(LaunchMatchBoxes(work, CurrentStream()), "match_boxes");
  });
  return {labels, gt_index, iou};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> MatchBatchOnCuda(
    const at::Tensor& boxes, const at::Tensor& gt_boxes, const at::Tensor& gt_counts,
    double foreground_iou, double background_max_iou, double background_min_iou,
    bool match_best_of_each_gt, double min_best_iou, double crowd_share,
    bool crowd_hides_foreground, bool inclusive, const c10::optional<at::Tensor>& gt_is_crowd,
    const c10::optional<at::Tensor>& eligible) {
  const MatcherOptions options = {foreground_iou,         background_max_iou, background_min_iou,
                                  match_best_of_each_gt,  min_best_iou,       crowd_share,
                                  crowd_hides_foreground, inclusive};
  CheckMatchBatchArguments(boxes, gt_boxes, gt_counts, options, gt_is_crowd, eligible);
  const c10::cuda::CUDAGuard guard(boxes.device());
  const MatchBatchTensors tensors =
      MakeMatchBatchTensors(boxes, gt_boxes, gt_counts, gt_is_crowd, eligible);
  AT_DISPATCH_FLOATING_TYPES(boxes.scalar_type(), "match_batch", [&] {
    const MatchWork<scalar_t> work = MakeMatchBatchWork<scalar_t>(tensors, options);
    CheckLaunch(LaunchMatchBoxes(work, CurrentStream()), "match_batch");
  });
  return {tensors.results.labels, tensors.results.gt_index, tensors.results.iou};
}

TORCH_LIBRARY_IMPL(rcnn, CUDA, m) {
  m.impl("match_boxes", &MatchOnCuda);
  m.impl("match_batch", &MatchBatchOnCuda);
}

}  // namespace
}  // namespace rcnn::ops

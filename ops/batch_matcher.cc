#include "rcnn/ops/batch_matcher.h"

#include <ATen/Dispatch.h>
#include <ATen/core/Tensor.h>

#include <tuple>
#include <utility>

#include "rcnn/ops/batch_matcher_work.h"
#include "rcnn/ops/check.h"
#include "rcnn/ops/cpu/serial_grid.h"
#include "rcnn/ops/dispatch.h"

namespace rcnn::ops {
namespace {

using MatchTensors = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

void CheckMask(const c10::optional<at::Tensor>& mask, const char* name, int64_t images,
               int64_t rows, const at::Tensor& boxes) {
  if (!mask.has_value()) return;
  CheckShape(*mask, name, {images, rows});
  CheckDtype(*mask, name, {at::kBool});
  CheckSameDevice(*mask, name, boxes, "boxes");
}

MatchTensors MatchOnCpuOrMeta(const at::Tensor& boxes, const at::Tensor& gt_boxes,
                              const at::Tensor& gt_counts, double foreground_iou,
                              double background_max_iou, double background_min_iou,
                              bool match_best_of_each_gt, double min_best_iou, double crowd_share,
                              bool crowd_hides_foreground, bool inclusive,
                              const c10::optional<at::Tensor>& gt_is_crowd,
                              const c10::optional<at::Tensor>& eligible) {
  const MatcherOptions options = {foreground_iou,         background_max_iou, background_min_iou,
                                  match_best_of_each_gt,  min_best_iou,       crowd_share,
                                  crowd_hides_foreground, inclusive};
  CheckMatchBatchArguments(boxes, gt_boxes, gt_counts, options, gt_is_crowd, eligible);
  const MatchBatchTensors tensors =
      MakeMatchBatchTensors(boxes, gt_boxes, gt_counts, gt_is_crowd, eligible);
  if (!boxes.is_meta()) {
    AT_DISPATCH_FLOATING_TYPES(boxes.scalar_type(), "match_batch", [&] {
      SerialGrid launch;
      MatchBoxesOfImages(launch, MakeMatchBatchWork<scalar_t>(tensors, options));
    });
  }
  return {tensors.results.labels, tensors.results.gt_index, tensors.results.iou};
}

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  DefineOperator(m,
                 "match_batch(Tensor boxes, Tensor gt_boxes, Tensor gt_counts, *, "
                 "float foreground_iou=0.7, float background_max_iou=0.3, "
                 "float background_min_iou=0., bool match_best_of_each_gt=True, "
                 "float min_best_iou=0., float crowd_share=0.7, "
                 "bool crowd_hides_foreground=False, bool inclusive=False, "
                 "Tensor? gt_is_crowd=None, Tensor? eligible=None) "
                 "-> (Tensor labels, Tensor gt_index, Tensor iou)",
                 &MatchOnCpuOrMeta, &MatchOnCpuOrMeta);
}

}  // namespace

void CheckMatchBatchArguments(const at::Tensor& boxes, const at::Tensor& gt_boxes,
                              const at::Tensor& gt_counts, const MatcherOptions& options,
                              const c10::optional<at::Tensor>& gt_is_crowd,
                              const c10::optional<at::Tensor>& eligible) {
  CheckMatcherOptions(options);
  CheckShape(gt_boxes, "gt_boxes", {-1, -1, 4});
  const int64_t images = gt_boxes.size(0), objects = gt_boxes.size(1);
  TORCH_CHECK(boxes.defined() && (boxes.dim() == 2 || boxes.dim() == 3),
              "boxes: expected shape [N, 4] or [B, N, 4], got ", Describe(boxes));
  if (boxes.dim() == 2) CheckShape(boxes, "boxes", {-1, 4});
  if (boxes.dim() == 3) CheckShape(boxes, "boxes", {images, -1, 4});
  const at::Tensor rows = boxes.reshape({-1, 4}), gt_rows = gt_boxes.reshape({-1, 4});
  CheckBoxes(rows, "boxes");
  CheckBoxes(gt_rows, "gt_boxes");
  CheckSameDtypeAndDevice(gt_boxes, "gt_boxes", boxes, "boxes");
  CheckBoxAreas(rows, "boxes", options.inclusive);
  CheckBoxAreas(gt_rows, "gt_boxes", options.inclusive);
  CheckShape(gt_counts, "gt_counts", {images});
  CheckIndices(gt_counts, "gt_counts", 0, objects);
  CheckSameDevice(gt_counts, "gt_counts", boxes, "boxes");
  CheckMask(gt_is_crowd, "gt_is_crowd", images, objects, boxes);
  CheckMask(eligible, "eligible", images, boxes.size(-2), boxes);
}

Matches MatchBatch(const at::Tensor& boxes, const at::Tensor& gt_boxes, const at::Tensor& gt_counts,
                   const MatcherOptions& options, const c10::optional<at::Tensor>& gt_is_crowd,
                   const c10::optional<at::Tensor>& eligible) {
  static const auto op = FindOperator<decltype(MatchOnCpuOrMeta)>("match_batch");
  auto [labels, gt_index, iou] =
      op.call(boxes, gt_boxes, gt_counts, options.foreground_iou, options.background_max_iou,
              options.background_min_iou, options.match_best_of_each_gt, options.min_best_iou,
              options.crowd_share, options.crowd_hides_foreground, options.inclusive, gt_is_crowd,
              eligible);
  return {std::move(labels), std::move(gt_index), std::move(iou)};
}

}  // namespace rcnn::ops

#include "rcnn/ops/nms.h"

#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <tuple>

#include "rcnn/ops/batched_nms.h"
#include "rcnn/ops/counted_nms.h"
#include "rcnn/ops/cuda/nms.h"
#include "rcnn/ops/cuda/registration.h"

namespace rcnn::ops {
namespace {

template <typename T>
void AddScratch(DeviceNmsWork<T>* work, Workspace* workspace) {
  const int64_t boxes = work->rows * work->capacity;
  const int64_t kept = work->rows * work->KeptCapacity();
  workspace->Add(&work->entries, boxes);
  workspace->Add(&work->sort_scratch, boxes);
  workspace->Add(&work->sorted, boxes);
  workspace->Add(&work->kept_boxes, kept);
  if (work->groups != nullptr) {
    workspace->Add(&work->sorted_group, boxes);
    workspace->Add(&work->kept_group, kept);
  }
  workspace->Add(&work->suppressed, work->rows * work->Chunks() * work->SlabWords());
  workspace->Add(&work->nonzero, work->rows * work->SlabWords() * work->SlabWords());
  workspace->Add(&work->mask, work->rows * work->SlabRows() * work->SlabWords());
}

// As many rows as can be kept, of which the first count, and the count []. `classes` may be
// undefined.
CountedIndices SuppressCounted(const at::Tensor& boxes, const at::Tensor& scores,
                               const at::Tensor& classes, const NmsOptions& options) {
  const c10::cuda::CUDAGuard guard(boxes.device());
  const at::Tensor rows = boxes.detach().contiguous(), order = scores.detach().contiguous();
  const at::Tensor groups = classes.defined() ? classes.contiguous() : at::Tensor();
  const at::Tensor kept = MaxKept(rows, options.max_keep);  // the kernels clear it
  const at::Tensor count = at::empty({}, kept.options());
  if (kept.numel() == 0) return {kept, count.zero_()};
  AT_DISPATCH_FLOATING_TYPES(rows.scalar_type(), "nms", [&] {
    DeviceNmsWork<scalar_t> work{};
    work.rows = 1;
    work.capacity = rows.size(0);
    work.boxes = rows.data_ptr<scalar_t>();
    work.scores = order.data_ptr<scalar_t>();
    work.groups = groups.defined() ? groups.data_ptr<int64_t>() : nullptr;
    work.threshold = LargestAllowed<scalar_t>(options.iou_threshold, options.suppress_equal);
    work.extra = static_cast<scalar_t>(options.inclusive ? 1 : 0);
    work.max_keep = options.max_keep;
    work.kept = kept.data_ptr<int64_t>();
    work.kept_count = count.data_ptr<int64_t>();
    Workspace workspace;
    AddScratch(&work, &workspace);
    const at::Tensor memory = workspace.Allocate(rows);
    CheckLaunch(LaunchNms(work, CurrentStream()), "nms");
  });
  return {kept, count};
}

// The indices of the kept boxes. Their number is known on the device alone: reading it, and nothing
// else, waits for the device.
at::Tensor Suppress(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& classes,
                    const NmsOptions& options) {
  const CountedIndices found = SuppressCounted(boxes, scores, classes, options);
  return found.kept.numel() == 0 ? found.kept : found.kept.slice(0, 0, found.count.item<int64_t>());
}

at::Tensor NmsOnCuda(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold,
                     c10::optional<int64_t> max_keep, bool suppress_equal, bool inclusive) {
  const NmsOptions options = ReadNmsOptions(iou_threshold, max_keep, suppress_equal, inclusive);
  CheckNmsArguments(boxes, scores, options);
  return Suppress(boxes, scores, at::Tensor(), options);
}

at::Tensor BatchedNmsOnCuda(const at::Tensor& boxes, const at::Tensor& scores,
                            const at::Tensor& classes, double iou_threshold,
                            c10::optional<int64_t> max_keep, bool suppress_equal, bool inclusive) {
  const NmsOptions options = ReadNmsOptions(iou_threshold, max_keep, suppress_equal, inclusive);
  CheckBatchedNmsArguments(boxes, scores, classes, options);
  return Suppress(boxes, scores, classes, options);
}

std::tuple<at::Tensor, at::Tensor> CountedNmsOnCuda(const at::Tensor& boxes,
                                                    const at::Tensor& scores, double iou_threshold,
                                                    c10::optional<int64_t> max_keep,
                                                    bool suppress_equal, bool inclusive) {
  const NmsOptions options = ReadNmsOptions(iou_threshold, max_keep, suppress_equal, inclusive);
  CheckNmsArguments(boxes, scores, options);
  const CountedIndices found = SuppressCounted(boxes, scores, at::Tensor(), options);
  return {found.kept, found.count};
}

std::tuple<at::Tensor, at::Tensor> CountedBatchedNmsOnCuda(
    const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& classes,
    double iou_threshold, c10::optional<int64_t> max_keep, bool suppress_equal, bool inclusive) {
  const NmsOptions options = ReadNmsOptions(iou_threshold, max_keep, suppress_equal, inclusive);
  CheckBatchedNmsArguments(boxes, scores, classes, options);
  const CountedIndices found = SuppressCounted(boxes, scores, classes, options);
  return {found.kept, found.count};
}

TORCH_LIBRARY_IMPL(rcnn, CUDA, m) {
  m.impl("nms", &NmsOnCuda);
  m.impl("batched_nms", &BatchedNmsOnCuda);
  m.impl("counted_nms", &CountedNmsOnCuda);
  m.impl("counted_batched_nms", &CountedBatchedNmsOnCuda);
}

}  // namespace
}  // namespace rcnn::ops

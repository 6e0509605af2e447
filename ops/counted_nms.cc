#include "rcnn/ops/counted_nms.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <tuple>
#include <utility>

#include "rcnn/ops/batched_nms.h"
#include "rcnn/ops/dispatch.h"
#include "rcnn/ops/nms.h"

namespace rcnn::ops {
namespace {

using TwoTensors = std::tuple<at::Tensor, at::Tensor>;

// `indices` at the beginning of as many rows as can be kept.
TwoTensors Counted(const at::Tensor& indices, const at::Tensor& boxes, const NmsOptions& options) {
  const at::Tensor kept = MaxKept(boxes, options.max_keep).zero_();
  kept.narrow(0, 0, indices.size(0)).copy_(indices);
  return {kept, at::full({}, indices.size(0), kept.options())};
}

TwoTensors OnMeta(const at::Tensor& boxes, const NmsOptions& options) {
  const at::Tensor kept = MaxKept(boxes, options.max_keep);
  return {kept, at::empty({}, kept.options())};
}

TwoTensors NmsOnCpuOrMeta(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold,
                          c10::optional<int64_t> max_keep, bool suppress_equal, bool inclusive) {
  const NmsOptions options = ReadNmsOptions(iou_threshold, max_keep, suppress_equal, inclusive);
  CheckNmsArguments(boxes, scores, options);
  if (boxes.is_meta()) return OnMeta(boxes, options);
  return Counted(Nms(boxes, scores, options), boxes, options);
}

TwoTensors BatchedNmsOnCpuOrMeta(const at::Tensor& boxes, const at::Tensor& scores,
                                 const at::Tensor& classes, double iou_threshold,
                                 c10::optional<int64_t> max_keep, bool suppress_equal,
                                 bool inclusive) {
  const NmsOptions options = ReadNmsOptions(iou_threshold, max_keep, suppress_equal, inclusive);
  CheckBatchedNmsArguments(boxes, scores, classes, options);
  if (boxes.is_meta()) return OnMeta(boxes, options);
  return Counted(BatchedNms(boxes, scores, classes, options), boxes, options);
}

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  DefineOperator(m,
                 "counted_nms(Tensor boxes, Tensor scores, float iou_threshold=0.7, *, "
                 "int? max_keep=None, bool suppress_equal=False, bool inclusive=False) "
                 "-> (Tensor kept, Tensor count)",
                 &NmsOnCpuOrMeta, &NmsOnCpuOrMeta);
  DefineOperator(m,
                 "counted_batched_nms(Tensor boxes, Tensor scores, Tensor classes, "
                 "float iou_threshold=0.7, *, int? max_keep=None, bool suppress_equal=False, "
                 "bool inclusive=False) -> (Tensor kept, Tensor count)",
                 &BatchedNmsOnCpuOrMeta, &BatchedNmsOnCpuOrMeta);
}

}  // namespace

CountedIndices CountedNms(const at::Tensor& boxes, const at::Tensor& scores,
                          const NmsOptions& options) {
  static const auto op = FindOperator<decltype(NmsOnCpuOrMeta)>("counted_nms");
  auto [kept, count] = op.call(boxes, scores, options.iou_threshold, options.max_keep,
                               options.suppress_equal, options.inclusive);
  return {std::move(kept), std::move(count)};
}

CountedIndices CountedBatchedNms(const at::Tensor& boxes, const at::Tensor& scores,
                                 const at::Tensor& classes, const NmsOptions& options) {
  static const auto op = FindOperator<decltype(BatchedNmsOnCpuOrMeta)>("counted_batched_nms");
  auto [kept, count] = op.call(boxes, scores, classes, options.iou_threshold, options.max_keep,
                               options.suppress_equal, options.inclusive);
  return {std::move(kept), std::move(count)};
}

}  // namespace rcnn::ops

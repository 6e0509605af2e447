#include "rcnn/ops/nms.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "rcnn/ops/check.h"
#include "rcnn/ops/cpu/greedy_suppression.h"
#include "rcnn/ops/cpu/score_order.h"
#include "rcnn/ops/dispatch.h"

namespace rcnn::ops {
namespace {

// BestFirst holds indices in 32 bits.
constexpr int64_t kMaxBoxes = int64_t{1} << 32;

template <typename T>
at::Tensor RunNms(const at::Tensor& boxes, const at::Tensor& scores, const NmsOptions& options) {
  const int64_t count = boxes.size(0);
  const std::vector<int64_t> order = BestFirst(scores.data_ptr<T>(), count, count);
  const T* rows = boxes.data_ptr<T>();
  std::vector<T> sorted(4 * count);
  for (int64_t i = 0; i < count; ++i) std::copy_n(rows + 4 * order[i], 4, sorted.data() + 4 * i);
  const std::vector<int64_t> kept = SuppressGreedily(sorted.data(), count, options);
  at::Tensor indices = at::empty({static_cast<int64_t>(kept.size())}, at::kLong);
  int64_t* out = indices.data_ptr<int64_t>();
  for (const int64_t position : kept) *out++ = order[position];
  return indices;
}

at::Tensor NmsOnCpu(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold,
                    c10::optional<int64_t> max_keep, bool suppress_equal, bool inclusive) {
  const NmsOptions options = ReadNmsOptions(iou_threshold, max_keep, suppress_equal, inclusive);
  CheckNmsArguments(boxes, scores, options);
  const auto run = boxes.scalar_type() == at::kFloat ? &RunNms<float> : &RunNms<double>;
  return run(boxes.detach().contiguous(), scores.detach().contiguous(), options);
}

at::Tensor NmsOnMeta(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold,
                     c10::optional<int64_t> max_keep, bool suppress_equal, bool inclusive) {
  const NmsOptions options = ReadNmsOptions(iou_threshold, max_keep, suppress_equal, inclusive);
  CheckNmsArguments(boxes, scores, options);
  return MaxKept(boxes, options.max_keep);
}

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  DefineOperator(m,
                 "nms(Tensor boxes, Tensor scores, float iou_threshold=0.7, *, int? max_keep=None, "
                 "bool suppress_equal=False, bool inclusive=False) -> Tensor",
                 &NmsOnCpu, &NmsOnMeta);
}

}  // namespace

NmsOptions ReadNmsOptions(double iou_threshold, c10::optional<int64_t> max_keep,
                          bool suppress_equal, bool inclusive) {
  return {iou_threshold, max_keep.value_or(std::numeric_limits<int64_t>::max()), suppress_equal,
          inclusive};
}

void CheckNmsArguments(const at::Tensor& boxes, const at::Tensor& scores,
                       const NmsOptions& options) {
  TORCH_CHECK(options.iou_threshold >= 0 && options.iou_threshold <= 1, "iou_threshold: is ",
              options.iou_threshold, ", not in [0, 1]");
  TORCH_CHECK(options.max_keep >= 0, "max_keep: is ", options.max_keep, ", not >= 0");
  CheckBoxes(boxes, "boxes");
  CheckScores(scores, "scores", boxes, "boxes");
  TORCH_CHECK(boxes.size(0) < kMaxBoxes, "boxes: expected fewer than 2^32 rows, got ",
              Describe(boxes));
}

at::Tensor MaxKept(const at::Tensor& boxes, int64_t max_keep) {
  return at::empty({std::min(boxes.size(0), max_keep)}, boxes.options().dtype(at::kLong));
}

at::Tensor Nms(const at::Tensor& boxes, const at::Tensor& scores, const NmsOptions& options) {
  static const auto op = FindOperator<decltype(NmsOnCpu)>("nms");
  return op.call(boxes, scores, options.iou_threshold, options.max_keep, options.suppress_equal,
                 options.inclusive);
}

}  // namespace rcnn::ops

#include "rcnn/ops/nms.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <vector>

#include "rcnn/ops/check.h"
#include "rcnn/ops/greedy_suppression.h"
#include "rcnn/ops/score_order.h"

namespace rcnn::ops {
namespace {

// The largest number of boxes that BestFirst can index.
constexpr int64_t kMostBoxes = int64_t{1} << 32;

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

}  // namespace

void CheckNmsArguments(const at::Tensor& boxes, const at::Tensor& scores,
                       const NmsOptions& options) {
  TORCH_CHECK(options.iou_threshold >= 0 && options.iou_threshold <= 1, "iou_threshold: is ",
              options.iou_threshold, ", not in [0, 1]");
  TORCH_CHECK(options.max_keep >= 0, "max_keep: is ", options.max_keep, ", not >= 0");
  CheckBoxes(boxes, "boxes");
  CheckScores(scores, "scores", boxes, "boxes");
  TORCH_CHECK(boxes.size(0) < kMostBoxes, "boxes: more than 2^32 rows: is ", Describe(boxes));
}

at::Tensor MostKept(const at::Tensor& boxes, int64_t max_keep) {
  return at::empty({std::min(boxes.size(0), max_keep)}, boxes.options().dtype(at::kLong));
}

at::Tensor Nms(const at::Tensor& boxes, const at::Tensor& scores, const NmsOptions& options) {
  CheckNmsArguments(boxes, scores, options);
  if (boxes.is_meta()) return MostKept(boxes, options.max_keep);
  const at::Tensor cpu_boxes = boxes.detach().cpu().contiguous();
  const at::Tensor cpu_scores = scores.detach().cpu().contiguous();
  const at::Tensor kept = boxes.scalar_type() == at::kFloat
                              ? RunNms<float>(cpu_boxes, cpu_scores, options)
                              : RunNms<double>(cpu_boxes, cpu_scores, options);
  return kept.to(boxes.device());
}

}  // namespace rcnn::ops

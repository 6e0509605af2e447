#include "rcnn/ops/batched_nms.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "rcnn/ops/check.h"
#include "rcnn/ops/cpu/greedy_suppression.h"
#include "rcnn/ops/cpu/score_order.h"
#include "rcnn/ops/dispatch.h"
#include "rcnn/ops/nms.h"

namespace rcnn::ops {
namespace {

template <typename T>
struct Group {
  std::vector<T> boxes;        // [n, 4], best first
  std::vector<int64_t> ranks;  // [n], among all boxes
  std::vector<int64_t> kept;   // ranks
};

template <typename T>
std::vector<Group<T>> GroupByClass(const T* boxes, const int64_t* classes,
                                   const std::vector<int64_t>& order) {
  std::unordered_map<int64_t, size_t> group_by_class;
  std::vector<Group<T>> groups;
  for (size_t rank = 0; rank < order.size(); ++rank) {
    const auto [found, is_new] = group_by_class.try_emplace(classes[order[rank]], groups.size());
    if (is_new) groups.emplace_back();
    Group<T>& group = groups[found->second];
    const T* box = boxes + 4 * order[rank];
    group.boxes.insert(group.boxes.end(), box, box + 4);
    group.ranks.push_back(static_cast<int64_t>(rank));
  }
  return groups;
}

template <typename T>
void SuppressGroup(const NmsOptions& options, Group<T>* group) {
  group->kept =
      SuppressGreedily(group->boxes.data(), static_cast<int64_t>(group->ranks.size()), options);
  for (int64_t& kept : group->kept) kept = group->ranks[kept];
}

template <typename T>
std::vector<int64_t> KeptRanks(const std::vector<Group<T>>& groups, int64_t max_keep) {
  std::vector<int64_t> ranks;
  for (const Group<T>& group : groups) {
    ranks.insert(ranks.end(), group.kept.begin(), group.kept.end());
  }
  std::sort(ranks.begin(), ranks.end());
  if (static_cast<int64_t>(ranks.size()) > max_keep) ranks.resize(max_keep);
  return ranks;
}

template <typename T>
at::Tensor RunBatchedNms(const at::Tensor& boxes, const at::Tensor& scores,
                         const at::Tensor& classes, const NmsOptions& options) {
  const int64_t count = boxes.size(0);
  const std::vector<int64_t> order = BestFirst(scores.data_ptr<T>(), count, count);
  std::vector<Group<T>> groups =
      GroupByClass(boxes.data_ptr<T>(), classes.data_ptr<int64_t>(), order);
  at::parallel_for(0, static_cast<int64_t>(groups.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) SuppressGroup(options, &groups[i]);
  });
  const std::vector<int64_t> ranks = KeptRanks(groups, options.max_keep);
  at::Tensor indices = at::empty({static_cast<int64_t>(ranks.size())}, at::kLong);
  std::transform(ranks.begin(), ranks.end(), indices.data_ptr<int64_t>(),
                 [&order](int64_t rank) { return order[rank]; });
  return indices;
}

at::Tensor BatchedNmsOnCpu(const at::Tensor& boxes, const at::Tensor& scores,
                           const at::Tensor& classes, double iou_threshold,
                           c10::optional<int64_t> max_keep, bool suppress_equal, bool inclusive) {
  const NmsOptions options = ReadNmsOptions(iou_threshold, max_keep, suppress_equal, inclusive);
  CheckBatchedNmsArguments(boxes, scores, classes, options);
  const auto run =
      boxes.scalar_type() == at::kFloat ? &RunBatchedNms<float> : &RunBatchedNms<double>;
  return run(boxes.detach().contiguous(), scores.detach().contiguous(), classes.contiguous(),
             options);
}

at::Tensor BatchedNmsOnMeta(const at::Tensor& boxes, const at::Tensor& scores,
                            const at::Tensor& classes, double iou_threshold,
                            c10::optional<int64_t> max_keep, bool suppress_equal, bool inclusive) {
  const NmsOptions options = ReadNmsOptions(iou_threshold, max_keep, suppress_equal, inclusive);
  CheckBatchedNmsArguments(boxes, scores, classes, options);
  return MaxKept(boxes, options.max_keep);
}

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  DefineOperator(
      m,
      "batched_nms(Tensor boxes, Tensor scores, Tensor classes, float iou_threshold=0.7, *, "
      "int? max_keep=None, bool suppress_equal=False, bool inclusive=False) -> Tensor",
      &BatchedNmsOnCpu, &BatchedNmsOnMeta);
}

}  // namespace

void CheckBatchedNmsArguments(const at::Tensor& boxes, const at::Tensor& scores,
                              const at::Tensor& classes, const NmsOptions& options) {
  CheckNmsArguments(boxes, scores, options);
  CheckShape(classes, "classes", {boxes.size(0)});
  CheckDtype(classes, "classes", {at::kLong});
  CheckSameDevice(classes, "classes", boxes, "boxes");
}

at::Tensor BatchedNms(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& classes,
                      const NmsOptions& options) {
  static const auto op = FindOperator<decltype(BatchedNmsOnCpu)>("batched_nms");
  return op.call(boxes, scores, classes, options.iou_threshold, options.max_keep,
                 options.suppress_equal, options.inclusive);
}

}  // namespace rcnn::ops

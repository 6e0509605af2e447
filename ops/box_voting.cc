#include "rcnn/ops/box_voting.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <vector>

#include "rcnn/ops/check.h"
#include "rcnn/ops/cpu/overlap_kernel.h"
#include "rcnn/ops/dispatch.h"

namespace rcnn::ops {
namespace {

// Least number of box pairs per parallel task.
constexpr int64_t kGrain = 32768;

// All boxes, any of which may vote.
template <typename T>
struct Voters {
  const T* boxes;
  const T* scores;
  const int64_t* classes;
  int64_t count;
};

// Writes to `mean` [4] the mean of the boxes that vote on box `kept`, weighted by score. `ious`
// [count] are those with that box. Sums the differences from the box, so that a box without other
// voters stays identical to the bit.
template <typename T>
void WriteMean(const Voters<T>& all, int64_t kept, const T* ious, double iou_threshold, T* mean) {
  const T* box = all.boxes + 4 * kept;
  std::array<double, 4> sums = {};
  double weight = 0;
  for (int64_t i = 0; i < all.count; ++i) {
    if (i != kept && !(ious[i] > iou_threshold && all.classes[i] == all.classes[kept])) continue;
    const double score = all.scores[i];
    for (int64_t side = 0; side < 4; ++side) {
      sums[side] += score * (static_cast<double>(all.boxes[4 * i + side]) - box[side]);
    }
    weight += score;
  }
  for (int64_t side = 0; side < 4; ++side) {
    mean[side] = weight > 0 ? static_cast<T>(box[side] + sums[side] / weight) : box[side];
  }
  // Rounding may have swapped the corners.
  mean[2] = std::max(mean[2], mean[0]);
  mean[3] = std::max(mean[3], mean[1]);
}

template <typename T>
at::Tensor VotedBoxes(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& classes,
                      const at::Tensor& kept, const BoxVotingOptions& options) {
  const Voters<T> all = {boxes.data_ptr<T>(), scores.data_ptr<T>(), classes.data_ptr<int64_t>(),
                         boxes.size(0)};
  at::Tensor voted = at::empty({kept.size(0), 4}, boxes.options());
  if (kept.size(0) == 0) return voted;
  const BoxColumns<T> columns(all.boxes, all.count, options.inclusive);
  const int64_t* rows = kept.data_ptr<int64_t>();
  T* out = voted.data_ptr<T>();
  const int64_t grain = std::max<int64_t>(1, kGrain / all.count);
  at::parallel_for(0, kept.size(0), grain, [&](int64_t begin, int64_t end) {
    std::vector<T> ious(columns.padded_count());
    for (int64_t i = begin; i < end; ++i) {
      OverlapRows(all.boxes + 4 * rows[i], 1, columns, Overlap::kIou, ious.data(),
                  columns.padded_count());
      WriteMean(all, rows[i], ious.data(), options.iou_threshold, out + 4 * i);
    }
  });
  return voted;
}

void CheckArguments(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& classes,
                    const at::Tensor& kept, const BoxVotingOptions& options) {
  TORCH_CHECK(options.iou_threshold >= 0 && options.iou_threshold <= 1, "iou_threshold: is ",
              options.iou_threshold, ", not in [0, 1]");
  CheckBoxes(boxes, "boxes");
  CheckBoxAreas(boxes, "boxes", options.inclusive);
  CheckScores(scores, "scores", boxes, "boxes");
  CheckShape(classes, "classes", {boxes.size(0)});
  CheckDtype(classes, "classes", {at::kLong});
  CheckSameDevice(classes, "classes", boxes, "boxes");
  CheckShape(kept, "kept", {-1});
  CheckRowIndices(kept, "kept", boxes);
  CheckSameDevice(kept, "kept", boxes, "boxes");
  CheckNotNegative(scores, "scores");
}

at::Tensor VoteBoxesOnCpu(const at::Tensor& boxes, const at::Tensor& scores,
                          const at::Tensor& classes, const at::Tensor& kept, double iou_threshold,
                          bool inclusive) {
  const BoxVotingOptions options = {iou_threshold, inclusive};
  CheckArguments(boxes, scores, classes, kept, options);
  const auto run = boxes.scalar_type() == at::kFloat ? &VotedBoxes<float> : &VotedBoxes<double>;
  return run(boxes.detach().contiguous(), scores.detach().contiguous(), classes.contiguous(),
             kept.contiguous(), options);
}

at::Tensor VoteBoxesOnMeta(const at::Tensor& boxes, const at::Tensor& scores,
                           const at::Tensor& classes, const at::Tensor& kept, double iou_threshold,
                           bool inclusive) {
  CheckArguments(boxes, scores, classes, kept, {iou_threshold, inclusive});
  return at::empty({kept.size(0), 4}, boxes.options());
}

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  DefineOperator(m,
                 "vote_boxes(Tensor boxes, Tensor scores, Tensor classes, Tensor kept, "
                 "float iou_threshold=0.5, *, bool inclusive=False) -> Tensor",
                 &VoteBoxesOnCpu, &VoteBoxesOnMeta);
}

}  // namespace

at::Tensor VoteBoxes(const at::Tensor& boxes, const at::Tensor& scores, const at::Tensor& classes,
                     const at::Tensor& kept, const BoxVotingOptions& options) {
  static const auto op = FindOperator<decltype(VoteBoxesOnCpu)>("vote_boxes");
  return op.call(boxes, scores, classes, kept, options.iou_threshold, options.inclusive);
}

}  // namespace rcnn::ops

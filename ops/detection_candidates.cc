#include "rcnn/ops/detection_candidates.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace rcnn::ops {
namespace {

struct Lists {
  std::vector<float> scores;
  std::vector<int64_t> rois, labels;

  void Add(float score, int64_t roi, int64_t label) {
    scores.push_back(score);
    rois.push_back(roi);
    labels.push_back(label);
  }
};

Lists FindAll(const at::Tensor& scores, float min_score) {
  Lists found;
  const int64_t num_rois = scores.size(0), num_classes = scores.size(1);
  const float* score = scores.data_ptr<float>();
  for (int64_t i = 0; i < num_rois * num_classes; ++i) {
    const int64_t label = i % num_classes;
    if (label == 0 || !(score[i] > min_score)) continue;
    found.Add(score[i], i / num_classes, label);
  }
  return found;
}

// The `most` best of each class, in the order of `all`; the earlier of equals.
Lists BestOfEachClass(const Lists& all, int64_t num_classes, int64_t most) {
  std::vector<size_t> order(all.scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return all.scores[a] > all.scores[b]; });
  std::vector<int64_t> taken(static_cast<size_t>(num_classes));
  std::vector<bool> keep(order.size());
  for (const size_t i : order) keep[i] = taken[static_cast<size_t>(all.labels[i])]++ < most;
  Lists best;
  for (size_t i = 0; i < order.size(); ++i) {
    if (keep[i]) best.Add(all.scores[i], all.rois[i], all.labels[i]);
  }
  return best;
}

template <typename T>
at::Tensor ToTensor(const std::vector<T>& values, at::ScalarType type) {
  return at::from_blob(const_cast<T*>(values.data()), {static_cast<int64_t>(values.size())},
                       at::TensorOptions(type))
      .clone();
}

}  // namespace

DetectionCandidates FindDetectionCandidates(const at::Tensor& scores, float min_score,
                                            int64_t max_per_class) {
  Lists found = FindAll(scores, min_score);
  if (max_per_class > 0) found = BestOfEachClass(found, scores.size(1), max_per_class);
  return {ToTensor(found.scores, at::kFloat), ToTensor(found.rois, at::kLong),
          ToTensor(found.labels, at::kLong)};
}

at::Tensor CandidateDeltas(const DetectionCandidates& candidates, const at::Tensor& deltas) {
  const at::Tensor rows = candidates.rois * (deltas.size(1) / 4) + candidates.labels;
  return deltas.reshape({-1, 4}).index_select(0, rows);
}

}  // namespace rcnn::ops

#include "rcnn/detection/detections.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "rcnn/ops/batched_nms.h"
#include "rcnn/ops/box_voting.h"
#include "rcnn/ops/unchecked_values.h"

namespace rcnn::detection {
namespace {

// The minimum score of voting boxes; lower scores have almost no weight.
constexpr double kVotingMinScore = 0.001;

// Scores that pass the threshold, RoI by RoI, with their RoI and label.
struct Candidates {
  std::vector<float> scores;
  std::vector<int64_t> rois, labels, flat;  // flat = roi (K + 1) + label

  void Add(float score, int64_t roi, int64_t label, int64_t row) {
    scores.push_back(score);
    rois.push_back(roi);
    labels.push_back(label);
    flat.push_back(row);
  }
};

Candidates Find(const at::Tensor& scores, float min_score) {
  Candidates found;
  const int64_t num_rois = scores.size(0), num_classes = scores.size(1);
  const float* score = scores.data_ptr<float>();
  for (int64_t i = 0; i < num_rois * num_classes; ++i) {
    const int64_t label = i % num_classes;
    if (label == 0) {
      TORCH_CHECK(score[i] == score[i], "logits: row ", i / num_classes, " is not finite");
      continue;
    }
    if (!(score[i] > min_score)) continue;
    found.Add(score[i], i / num_classes, label, i);
  }
  return found;
}

// The `most` best of each class, in the order of `all`; the earlier of equals.
Candidates BestOfEachClass(const Candidates& all, int64_t num_classes, int64_t most) {
  std::vector<size_t> order(all.scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return all.scores[a] > all.scores[b]; });
  std::vector<int64_t> taken(static_cast<size_t>(num_classes));
  std::vector<bool> keep(order.size());
  for (const size_t i : order) keep[i] = taken[static_cast<size_t>(all.labels[i])]++ < most;
  Candidates best;
  for (size_t i = 0; i < order.size(); ++i) {
    if (keep[i]) best.Add(all.scores[i], all.rois[i], all.labels[i], all.flat[i]);
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

Detections SelectDetections(const at::Tensor& logits, const at::Tensor& deltas,
                            const at::Tensor& boxes, const ops::ImageSize& image,
                            const ops::BoxCoderOptions& coder,
                            const configs::DetectionsConfig& config) {
  at::NoGradGuard no_grad;
  const at::Tensor scores = at::softmax(logits.cpu().to(at::kFloat), 1).contiguous();
  const bool votes = config.voting_iou() < 1;
  const double lowest = votes ? std::min(config.min_score(), kVotingMinScore) : config.min_score();
  Candidates found = Find(scores, static_cast<float>(lowest));
  if (config.max_per_class() > 0) {
    found = BestOfEachClass(found, scores.size(1), config.max_per_class());
  }
  const at::Tensor flat = ToTensor(found.flat, at::kLong);
  Detections all = {{}, ToTensor(found.scores, at::kFloat), ToTensor(found.labels, at::kLong)};
  const at::Tensor chosen = deltas.cpu().to(at::kFloat).reshape({-1, 4}).index_select(0, flat);
  const at::Tensor rois = boxes.cpu().index_select(0, ToTensor(found.rois, at::kLong));
  const ops::BoxConvention convention = {coder.inclusive};
  all.boxes = ops::DecodeBoxes(rois, chosen, coder);
  const ops::UncheckedValues unchecked;  // decoding has checked the deltas and the boxes
  all.boxes = ops::ClipBoxes(all.boxes, image, convention);
  const at::Tensor large = ops::LargeBoxes(all.boxes, config.min_side_px(), convention);
  const auto select = [](const Detections& from, const at::Tensor& rows) {
    return Detections{from.boxes.index_select(0, rows), from.scores.index_select(0, rows),
                      from.labels.index_select(0, rows)};
  };
  const Detections candidates = select(all, large);
  ops::NmsOptions nms;
  nms.iou_threshold = config.nms_iou();
  nms.max_keep = config.max_per_image();
  nms.inclusive = coder.inclusive;
  at::Tensor kept = ops::BatchedNms(candidates.boxes, candidates.scores, candidates.labels, nms);
  if (votes) {
    const at::Tensor is_detected =
        candidates.scores.index_select(0, kept) > static_cast<float>(config.min_score());
    kept = kept.masked_select(is_detected);
  }
  Detections detections = select(candidates, kept);
  if (votes) {
    detections.boxes = ops::VoteBoxes(candidates.boxes, candidates.scores, candidates.labels, kept,
                                      {config.voting_iou(), coder.inclusive});
  }
  return detections;
}

}  // namespace rcnn::detection

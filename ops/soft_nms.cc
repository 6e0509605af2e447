// Soft-NMS with lazy updates. A queue holds the boxes by their last known score. Scores never rise,
// so a known score bounds the true one from above: when the first of the queue is brought up to
// date and still comes first, no other box can have a higher score, and it is taken. Otherwise it
// goes back.
//
// Invariants:
//   - Waiting::seen is the number of taken boxes that a score accounts for. Each decay is applied
//     once and in the order of the plain loop, so scores equal its scores bit by bit.
//   - Equal scores are ordered by index, in the queue as in the result.
//   - A box whose score falls below the threshold is dropped for good.
//
// Why it is fast: most boxes never come first again before the result is complete, and are not
// updated.

#include "rcnn/ops/soft_nms.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <queue>
#include <tuple>
#include <utility>
#include <vector>

#include "rcnn/base/target_clones.h"
#include "rcnn/ops/check.h"
#include "rcnn/ops/dispatch.h"
#include "rcnn/ops/nms.h"

namespace rcnn::ops {
namespace {

// The boxes taken so far, as columns.
template <typename T>
struct Taken {
  std::vector<T> x1, y1, x2, y2, area;

  int64_t size() const { return static_cast<int64_t>(area.size()); }
};

template <typename T>
T Area(const T* box, T extra) {
  return (box[2] - box[0] + extra) * (box[3] - box[1] + extra);
}

template <typename T>
void Append(const T* box, T extra, Taken<T>* taken) {
  taken->x1.push_back(box[0]);
  taken->y1.push_back(box[1]);
  taken->x2.push_back(box[2]);
  taken->y2.push_back(box[3]);
  taken->area.push_back(Area(box, extra));
}

template <typename T>
RCNN_LOOP void IousLoop(const Taken<T>& taken, int64_t begin, const T* box, T area, T extra,
                        T* ious) {
  const T bx1 = box[0], by1 = box[1], bx2 = box[2], by2 = box[3];
  const T *x1 = taken.x1.data(), *y1 = taken.y1.data(), *x2 = taken.x2.data(),
          *y2 = taken.y2.data(), *areas = taken.area.data();
  const int64_t end = static_cast<int64_t>(taken.area.size());
  for (int64_t i = begin; i < end; ++i) {
    const T right = x2[i] < bx2 ? x2[i] : bx2, left = x1[i] > bx1 ? x1[i] : bx1;
    const T bottom = y2[i] < by2 ? y2[i] : by2, top = y1[i] > by1 ? y1[i] : by1;
    const T width = right - left + extra, height = bottom - top + extra;
    const T inter = (width > 0 ? width : T{0}) * (height > 0 ? height : T{0});
    const T iou = inter / (areas[i] + area - inter);
    ious[i] = iou > 0 ? iou : T{0};  // 0 / 0 of boxes without area is 0
  }
}

RCNN_TARGET_CLONES(void, Ious, IousLoop,
                   (const Taken<float>& taken, int64_t begin, const float* box, float area,
                    float extra, float* ious),
                   (taken, begin, box, area, extra, ious));
RCNN_TARGET_CLONES(void, Ious, IousLoop,
                   (const Taken<double>& taken, int64_t begin, const double* box, double area,
                    double extra, double* ious),
                   (taken, begin, box, area, extra, ious));

template <typename T>
T Lowered(T score, T iou, const SoftNmsOptions& options) {
  if (options.decay == SoftNmsOptions::Decay::kLinear) {
    return iou > options.iou_threshold ? score * (1 - iou) : score;
  }
  return iou > 0 ? score * std::exp(-iou * iou / static_cast<T>(options.sigma)) : score;
}

// A queued box, with its score after the first `seen` taken boxes.
template <typename T>
struct Waiting {
  T score;
  int64_t index;
  int64_t seen;

  bool operator<(const Waiting& other) const {
    return score != other.score ? score < other.score : index > other.index;
  }
};

template <typename T>
class SoftSuppression {
 public:
  SoftSuppression(const T* boxes, const T* scores, int64_t count, const SoftNmsOptions& options)
      : boxes_(boxes), options_(options), extra_(options.inclusive ? T{1} : T{0}) {
    std::vector<Waiting<T>> all;
    for (int64_t i = 0; i < count; ++i) all.push_back({scores[i], i, 0});
    queue_ = std::priority_queue<Waiting<T>>({}, std::move(all));
  }

  void Run() {
    while (!queue_.empty() && taken_.size() < options_.max_keep) {
      Waiting<T> first = queue_.top();
      queue_.pop();
      BringUpToDate(&first);
      if (first.score < options_.score_threshold) continue;
      if (queue_.empty() || queue_.top() < first) {
        Take(first);
      } else {
        queue_.push(first);
      }
    }
  }

  const std::vector<int64_t>& kept() const { return kept_; }
  const std::vector<T>& scores() const { return scores_; }

 private:
  void BringUpToDate(Waiting<T>* waiting) {
    const T* box = boxes_ + 4 * waiting->index;
    ious_.resize(taken_.size());
    Ious(taken_, waiting->seen, box, Area(box, extra_), extra_, ious_.data());
    for (; waiting->seen < taken_.size(); ++waiting->seen) {
      waiting->score = Lowered(waiting->score, ious_[waiting->seen], options_);
    }
  }

  void Take(const Waiting<T>& box) {
    Append(boxes_ + 4 * box.index, extra_, &taken_);
    kept_.push_back(box.index);
    scores_.push_back(box.score);
  }

  const T* boxes_;
  const SoftNmsOptions& options_;
  T extra_;
  std::priority_queue<Waiting<T>> queue_;
  Taken<T> taken_;
  std::vector<int64_t> kept_;
  std::vector<T> scores_;
  std::vector<T> ious_;
};

template <typename T>
SoftNmsResult RunSoftNms(const at::Tensor& boxes, const at::Tensor& scores,
                         const SoftNmsOptions& options) {
  SoftSuppression<T> suppression(boxes.data_ptr<T>(), scores.data_ptr<T>(), boxes.size(0), options);
  suppression.Run();
  const int64_t size = static_cast<int64_t>(suppression.kept().size());
  SoftNmsResult result = {at::empty({size}, at::kLong), at::empty({size}, scores.options())};
  std::copy_n(suppression.kept().data(), size, result.kept.template data_ptr<int64_t>());
  std::copy_n(suppression.scores().data(), size, result.scores.template data_ptr<T>());
  return result;
}

void CheckOptions(const SoftNmsOptions& options) {
  TORCH_CHECK(options.iou_threshold >= 0 && options.iou_threshold <= 1, "iou_threshold: is ",
              options.iou_threshold, ", not in [0, 1]");
  TORCH_CHECK(options.sigma > 0, "sigma: is ", options.sigma, ", not > 0");
  TORCH_CHECK(options.score_threshold >= 0, "score_threshold: is ", options.score_threshold,
              ", not >= 0");
  TORCH_CHECK(options.max_keep >= 0, "max_keep: is ", options.max_keep, ", not >= 0");
}

SoftNmsOptions::Decay FindDecay(c10::string_view name) {
  if (name == "linear") return SoftNmsOptions::Decay::kLinear;
  TORCH_CHECK(name == "gaussian", "decay: is '", name, "', not 'linear' or 'gaussian'");
  return SoftNmsOptions::Decay::kGaussian;
}

SoftNmsOptions MakeOptions(c10::string_view decay, double iou_threshold, double sigma,
                           double score_threshold, c10::optional<int64_t> max_keep,
                           bool inclusive) {
  return {FindDecay(decay),
          iou_threshold,
          sigma,
          score_threshold,
          max_keep.value_or(std::numeric_limits<int64_t>::max()),
          inclusive};
}

void CheckArguments(const at::Tensor& boxes, const at::Tensor& scores,
                    const SoftNmsOptions& options) {
  CheckOptions(options);
  CheckBoxes(boxes, "boxes");
  CheckScores(scores, "scores", boxes, "boxes");
  CheckNotNegative(scores, "scores");
}

std::tuple<at::Tensor, at::Tensor> SoftNmsOnCpu(const at::Tensor& boxes, const at::Tensor& scores,
                                                c10::string_view decay, double iou_threshold,
                                                double sigma, double score_threshold,
                                                c10::optional<int64_t> max_keep, bool inclusive) {
  const SoftNmsOptions options =
      MakeOptions(decay, iou_threshold, sigma, score_threshold, max_keep, inclusive);
  CheckArguments(boxes, scores, options);
  const auto run = boxes.scalar_type() == at::kFloat ? &RunSoftNms<float> : &RunSoftNms<double>;
  const SoftNmsResult result =
      run(boxes.detach().contiguous(), scores.detach().contiguous(), options);
  return {result.kept, result.scores};
}

std::tuple<at::Tensor, at::Tensor> SoftNmsOnMeta(const at::Tensor& boxes, const at::Tensor& scores,
                                                 c10::string_view decay, double iou_threshold,
                                                 double sigma, double score_threshold,
                                                 c10::optional<int64_t> max_keep, bool inclusive) {
  const SoftNmsOptions options =
      MakeOptions(decay, iou_threshold, sigma, score_threshold, max_keep, inclusive);
  CheckArguments(boxes, scores, options);
  const at::Tensor kept = MaxKept(boxes, options.max_keep);
  return {kept, at::empty(kept.sizes(), scores.options())};
}

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  DefineOperator(
      m,
      "soft_nms(Tensor boxes, Tensor scores, *, str decay='gaussian', float iou_threshold=0.3, "
      "float sigma=0.5, float score_threshold=0.001, int? max_keep=None, bool inclusive=False) "
      "-> (Tensor kept, Tensor scores)",
      &SoftNmsOnCpu, &SoftNmsOnMeta);
}

}  // namespace

SoftNmsResult SoftNms(const at::Tensor& boxes, const at::Tensor& scores,
                      const SoftNmsOptions& options) {
  static const auto op = FindOperator<decltype(SoftNmsOnCpu)>("soft_nms");
  const bool is_linear = options.decay == SoftNmsOptions::Decay::kLinear;
  auto [kept, decayed] =
      op.call(boxes, scores, is_linear ? "linear" : "gaussian", options.iou_threshold,
              options.sigma, options.score_threshold, options.max_keep, options.inclusive);
  return {std::move(kept), std::move(decayed)};
}

}  // namespace rcnn::ops

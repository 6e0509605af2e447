#include "rcnn/eval/coco_matching.h"

#include <algorithm>
#include <cmath>

namespace rcnn::eval {

double CocoIou(const XywhBox& dt, const XywhBox& gt, bool crowd) {
  const double width = std::fmin(dt.width + dt.x, gt.width + gt.x) - std::fmax(dt.x, gt.x);
  if (width <= 0) return 0;
  const double height = std::fmin(dt.height + dt.y, gt.height + gt.y) - std::fmax(dt.y, gt.y);
  if (height <= 0) return 0;
  const double intersection = width * height;
  const double dt_area = dt.width * dt.height;
  // The order of the operations decides the last bit.
  const double all = crowd ? dt_area : dt_area + gt.width * gt.height - intersection;
  return intersection / all;
}

CellMatcher::CellMatcher(const CocoEvalOptions& options) : options_(options) {
  for (double threshold : options.iou_thresholds) {
    thresholds_.push_back(std::min(threshold, 1 - 1e-10));
  }
  lowest_threshold_ = *std::min_element(thresholds_.begin(), thresholds_.end());
}

void CellMatcher::FindCandidates(absl::Span<const XywhBox> boxes,
                                 absl::Span<const Annotation* const> annotations) {
  touched_.clear();
  candidates_.clear();
  candidates_begin_.clear();
  for (size_t d = 0; d < boxes.size(); ++d) {
    const size_t begin = candidates_.size();
    for (size_t g = 0; g < annotations.size(); ++g) {
      const double iou = CocoIou(boxes[d], annotations[g]->box, annotations[g]->crowd);
      // Written as a negation for a NaN (0 / 0 of boxes that are too small for a
      // double), which the official code takes for a match.
      if (!(iou < lowest_threshold_)) candidates_.push_back({static_cast<int64_t>(g), iou});
    }
    if (candidates_.size() == begin) continue;
    touched_.push_back(static_cast<int64_t>(d));
    candidates_begin_.push_back(begin);
  }
  candidates_begin_.push_back(candidates_.size());
}

// The official loop runs over the annotations with the ignored ones last and
// stops at the first of those when it has found one that is not ignored.
int64_t CellMatcher::BestCandidate(size_t touched, double threshold,
                                   absl::Span<const Annotation* const> annotations) const {
  double best_iou = threshold;
  int64_t best = -1;
  for (uint8_t ignored : {0, 1}) {
    for (size_t c = candidates_begin_[touched]; c < candidates_begin_[touched + 1]; ++c) {
      const auto [g, iou] = candidates_[c];
      if (ignored_[g] != ignored) continue;
      if (taken_[g] && !annotations[g]->crowd) continue;
      if (iou < best_iou) continue;
      best_iou = iou;
      best = g;
    }
    if (best >= 0) break;
  }
  return best;
}

void CellMatcher::MatchArea(int64_t a, absl::Span<const Annotation* const> annotations) {
  const size_t T = thresholds_.size();
  const size_t stride = options_.areas.size() * T;
  for (size_t g = 0; g < annotations.size(); ++g) {
    ignored_[g] = IsIgnored(*annotations[g], options_.areas[a]);
  }
  for (size_t t = 0; t < T; ++t) {
    std::fill(taken_.begin(), taken_.end(), 0);
    for (size_t i = 0; i < touched_.size(); ++i) {
      const int64_t g = BestCandidate(i, thresholds_[t], annotations);
      if (g < 0) continue;
      taken_[g] = 1;
      // A match is recorded by the annotation's id, and 0 means none: one with
      // id 0 is used up, but its detection counts as unmatched.
      uint8_t& code = codes_[i * stride + a * T + t];
      if (ignored_[g]) {
        code = kIgnoredMatch;
      } else if (annotations[g]->id != 0) {
        code = kTruePositive;
      }
    }
  }
}

void CellMatcher::Match(absl::Span<const XywhBox> boxes,
                        absl::Span<const Annotation* const> annotations) {
  FindCandidates(boxes, annotations);
  const size_t A = options_.areas.size();
  codes_.assign(touched_.size() * A * thresholds_.size(), kNoMatch);
  if (touched_.empty()) return;
  ignored_.assign(annotations.size(), 0);
  taken_.assign(annotations.size(), 0);
  for (size_t a = 0; a < A; ++a) MatchArea(static_cast<int64_t>(a), annotations);
}

}  // namespace rcnn::eval

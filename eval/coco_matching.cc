// All thresholds at once. For a detection and an area range, let
//
//   open      the thresholds at which it has no match yet, at first all
//   reach[c]  the thresholds that its IoU with candidate c reaches
//   free[c]   those at which no earlier detection has taken c; all for a crowd
//
// Visited from the best candidate to the worst, ordinary annotations before
// ignored ones, candidate c gets open & reach[c] & free[c], which leaves `open`
// and free[c]. That is the official loop, which runs once for every threshold: at
// a threshold the detection goes to the first candidate in this order that is
// free and reached. A few operations on words replace ten passes.

#include "rcnn/eval/coco_matching.h"

#include <algorithm>
#include <cmath>

namespace rcnn::eval {
namespace {

constexpr int64_t kWordBits = 64;

}  // namespace

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

GreedyMatcher::GreedyMatcher(const CocoEvalOptions& options)
    : options_(options),
      areas_(static_cast<int64_t>(options.areas.size())),
      words_((static_cast<int64_t>(options.iou_thresholds.size()) + kWordBits - 1) / kWordBits) {
  for (double threshold : options.iou_thresholds) {
    thresholds_.push_back(std::min(threshold, 1 - 1e-10));
  }
  lowest_threshold_ = *std::min_element(thresholds_.begin(), thresholds_.end());
}

void GreedyMatcher::Start(absl::Span<const Annotation* const> annotations) {
  annotations_ = annotations;
  ignored_.clear();
  for (const Annotation* annotation : annotations) {
    for (const AreaRange& range : options_.areas) {
      ignored_.push_back(IsIgnored(*annotation, range));
    }
  }
  taken_.assign(annotations.size() * areas_ * words_, 0);
}

uint64_t GreedyMatcher::Reached(double iou, int64_t w) const {
  const auto begin = static_cast<size_t>(w * kWordBits);
  const size_t end = std::min(thresholds_.size(), begin + kWordBits);
  uint64_t bits = 0;
  for (size_t t = begin; t < end; ++t) {
    bits |= static_cast<uint64_t>(!(iou < thresholds_[t])) << (t - begin);
  }
  return bits;
}

void GreedyMatcher::Take(int64_t annotation, int64_t a, int64_t w, uint64_t bits) {
  Taken(annotation, a, w) |= bits;
  // A match is recorded by the annotation's id, and 0 means none: one with id 0 is
  // used up, but its detection counts as unmatched.
  if (ignored_[annotation * areas_ + a]) {
    ignored_matches_[a * words_ + w] |= bits;
  } else if (annotations_[annotation]->id != 0) {
    true_positives_[a * words_ + w] |= bits;
  }
}

void GreedyMatcher::MatchArea(int64_t a, int64_t w) {
  uint64_t open = ~uint64_t{0};
  for (uint8_t ignored : {0, 1}) {
    for (const auto& [g, iou] : candidates_) {
      if (ignored_[g * areas_ + a] != ignored) continue;
      const uint64_t free = annotations_[g]->crowd ? ~uint64_t{0} : ~Taken(g, a, w);
      const uint64_t bits = open & free & Reached(iou, w);
      if (bits == 0) continue;
      open &= ~bits;
      Take(g, a, w, bits);
    }
  }
}

// The official loop over all annotations. It stops at the first ignored one once it
// has found one that is not ignored. Comparisons with NaN are false, so a NaN is
// taken, and so is whatever follows it.
void GreedyMatcher::MatchAreaInOrder(int64_t a, int64_t t) {
  const int64_t w = t / kWordBits;
  const uint64_t bit = uint64_t{1} << (t % kWordBits);
  double best_iou = thresholds_[t];
  int64_t best = -1;
  for (uint8_t ignored : {0, 1}) {
    for (const auto& [g, iou] : candidates_) {
      if (ignored_[g * areas_ + a] != ignored || iou < best_iou) continue;
      if ((Taken(g, a, w) & bit) != 0 && !annotations_[g]->crowd) continue;
      best_iou = iou;
      best = g;
    }
    if (best >= 0) break;
  }
  if (best >= 0) Take(best, a, w, bit);
}

bool GreedyMatcher::Match(int64_t first, absl::Span<const double> overlaps) {
  candidates_.clear();
  // 0 / 0 of boxes that are too small for a double.
  const bool any_nan =
      std::any_of(overlaps.begin(), overlaps.end(), [](double iou) { return std::isnan(iou); });
  for (size_t i = 0; i < overlaps.size(); ++i) {
    if (!any_nan && overlaps[i] < lowest_threshold_) continue;
    candidates_.push_back({first + static_cast<int64_t>(i), overlaps[i]});
  }
  if (candidates_.empty()) return false;
  true_positives_.assign(areas_ * words_, 0);
  ignored_matches_.assign(areas_ * words_, 0);
  if (any_nan) {
    for (int64_t a = 0; a < areas_; ++a) {
      for (size_t t = 0; t < thresholds_.size(); ++t) {
        MatchAreaInOrder(a, static_cast<int64_t>(t));
      }
    }
    return true;
  }
  std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& x, const Candidate& y) {
    return x.iou != y.iou ? x.iou > y.iou : x.annotation > y.annotation;
  });
  for (int64_t a = 0; a < areas_; ++a) {
    for (int64_t w = 0; w < words_; ++w) MatchArea(a, w);
  }
  return true;
}

CellMatcher::CellMatcher(const CocoEvalOptions& options) : options_(options), matcher_(options) {}

void CellMatcher::Match(absl::Span<const XywhBox> boxes,
                        absl::Span<const Annotation* const> annotations) {
  const auto A = static_cast<int64_t>(options_.areas.size());
  const auto T = static_cast<int64_t>(options_.iou_thresholds.size());
  touched_.clear();
  codes_.clear();
  matcher_.Start(annotations);
  overlaps_.resize(annotations.size());
  for (size_t d = 0; d < boxes.size(); ++d) {
    for (size_t g = 0; g < annotations.size(); ++g) {
      overlaps_[g] = CocoIou(boxes[d], annotations[g]->box, annotations[g]->crowd);
    }
    if (!matcher_.Match(0, overlaps_)) continue;
    touched_.push_back(static_cast<int64_t>(d));
    for (int64_t a = 0; a < A; ++a) {
      for (int64_t t = 0; t < T; ++t) {
        const int64_t word = a * matcher_.W() + t / kWordBits;
        const int64_t bit = t % kWordBits;
        const uint64_t hit = matcher_.true_positives()[word] >> bit & 1;
        const uint64_t ignored = matcher_.ignored_matches()[word] >> bit & 1;
        codes_.push_back(hit != 0 ? kTruePositive : ignored != 0 ? kIgnoredMatch : kNoMatch);
      }
    }
  }
}

}  // namespace rcnn::eval

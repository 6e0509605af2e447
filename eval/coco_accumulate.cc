// Precision at a true positive is h / (n + eps): h true positives so far, n
// detections so far that are not ignored. A detection is ignored when it has no
// match and its area is outside the range, or when its match is ignored. So
//
//   n = detections in the range so far            (counted as they come)
//     - those of them whose match is ignored
//     + true positives outside of the range       (both only among stored detections)
//
// and each IoU threshold visits only the stored detections. `corrections_` holds the
// sum of the last two terms.

#include "rcnn/eval/coco_accumulate.h"

#include <algorithm>
#include <limits>

namespace rcnn::eval {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr int64_t kWordBits = 64;

}  // namespace

CategoryAccumulator::CategoryAccumulator(const CocoEvalOptions& options)
    : options_(options),
      A_(static_cast<int64_t>(options.areas.size())),
      M_(static_cast<int64_t>(options.max_detections.size())),
      T_(static_cast<int64_t>(options.iou_thresholds.size())),
      W_((T_ + kWordBits - 1) / kWordBits),
      in_range_(A_),
      hits_(T_) {
  StartCategory();
}

void CategoryAccumulator::StartCategory() {
  any_detection_ = false;
  limit_counts_.assign(M_, 0);
  range_counts_.assign(M_ * A_, 0);
  matched_.clear();
  matched_in_range_.clear();
  matched_counts_.clear();
  matched_hits_.clear();
  matched_ignored_.clear();
}

void CategoryAccumulator::AddDetection(double score, int64_t rank, double area) {
  if (!any_detection_) best_score_ = score;
  any_detection_ = true;
  last_score_ = score;
  limit_ = 0;
  while (rank >= options_.max_detections[limit_]) ++limit_;
  ++limit_counts_[limit_];
  for (int64_t a = 0; a < A_; ++a) {
    const AreaRange& range = options_.areas[a];
    in_range_[a] = !(area < range.low || area > range.high);
    range_counts_[limit_ * A_ + a] += in_range_[a];
  }
}

void CategoryAccumulator::AddMatch(absl::Span<const uint64_t> true_positives,
                                   absl::Span<const uint64_t> ignored_matches) {
  matched_.push_back({last_score_, limit_});
  matched_in_range_.insert(matched_in_range_.end(), in_range_.begin(), in_range_.end());
  matched_counts_.insert(matched_counts_.end(), range_counts_.begin(), range_counts_.end());
  matched_hits_.insert(matched_hits_.end(), true_positives.begin(), true_positives.end());
  matched_ignored_.insert(matched_ignored_.end(), ignored_matches.begin(), ignored_matches.end());
}

// How many true positives reach each recall threshold: the smallest c with
// c / positives >= threshold, computed by the same division as in pycocotools, so that
// rounding decides alike.
void CategoryAccumulator::FindNeededHits(int64_t positives) {
  columns_.clear();
  needed_hits_.clear();
  int64_t hits = 0;
  for (double threshold : options_.recall_thresholds) {
    while (hits <= positives &&
           static_cast<double>(hits) / static_cast<double>(positives) < threshold) {
      ++hits;
    }
    if (needed_hits_.empty() || needed_hits_.back() != hits) needed_hits_.push_back(hits);
    columns_.push_back(static_cast<uint32_t>(needed_hits_.size() - 1));
  }
}

void CategoryAccumulator::FindHitsOfDetection(size_t e, int64_t a, int64_t m, int64_t w) {
  uint64_t hits = matched_hits_[(e * A_ + a) * W_ + w];
  uint64_t ignored = matched_ignored_[(e * A_ + a) * W_ + w];
  const int64_t in_range = matched_in_range_[e * A_ + a];
  if (in_range != 0) {
    for (; ignored != 0; ignored &= ignored - 1)
      --corrections_[w * kWordBits + __builtin_ctzll(ignored)];
  }
  if (hits == 0) return;
  int64_t in_range_up_to = 0;
  for (int64_t limit = 0; limit <= m; ++limit) {
    in_range_up_to += matched_counts_[(e * M_ + limit) * A_ + a];
  }
  for (; hits != 0; hits &= hits - 1) {
    const int64_t t = w * kWordBits + __builtin_ctzll(hits);
    corrections_[t] += 1 - in_range;
    const auto all = static_cast<double>(in_range_up_to + corrections_[t]);
    const auto count = static_cast<double>(hits_[t].size() + 1);
    hits_[t].push_back({count / (all + kEpsilon), matched_[e].score});
  }
}

void CategoryAccumulator::FindHits(int64_t a, int64_t m) {
  corrections_.assign(T_, 0);
  for (std::vector<Hit>& hits : hits_) hits.clear();
  for (size_t e = 0; e < matched_.size(); ++e) {
    if (matched_[e].limit > m) continue;
    for (int64_t w = 0; w < W_; ++w) FindHitsOfDetection(e, a, m, w);
  }
  // Precision at a recall is the best at that recall or beyond.
  for (std::vector<Hit>& hits : hits_) {
    for (size_t i = hits.size(); i-- > 1;) {
      hits[i - 1].precision = std::max(hits[i - 1].precision, hits[i].precision);
    }
  }
}

CurvePoint CategoryAccumulator::PointAt(int64_t t, int64_t needed) const {
  const std::vector<Hit>& hits = hits_[t];
  if (needed > static_cast<int64_t>(hits.size())) return {0, 0};
  if (needed > 0) return {hits[needed - 1].precision, hits[needed - 1].score};
  // Any first detection reaches a recall of 0.
  if (!any_detection_) return {0, 0};
  return {hits.empty() ? 0.0 : hits[0].precision, best_score_};
}

void CategoryAccumulator::Write(int64_t k, absl::Span<const int64_t> positives,
                                CocoEvaluation& evaluation) {
  CategoryCurves& curves = evaluation.curves[k];
  for (int64_t a = 0; a < A_; ++a) {
    if (positives[a] == 0) continue;
    FindNeededHits(positives[a]);
    curves.StartArea(a, columns_, static_cast<int64_t>(needed_hits_.size()));
    for (int64_t m = 0; m < M_; ++m) {
      if (m > 0 && limit_counts_[m] == 0) {
        curves.RepeatTable(a, m);
      } else {
        FindHits(a, m);
        points_.clear();
        for (int64_t t = 0; t < T_; ++t) {
          for (int64_t needed : needed_hits_) points_.push_back(PointAt(t, needed));
        }
        curves.AddTable(a, m, points_);
      }
      for (int64_t t = 0; t < T_; ++t) {
        evaluation.recall[evaluation.Index(t, k, a, m)] =
            static_cast<double>(hits_[t].size()) / static_cast<double>(positives[a]);
      }
    }
  }
}

}  // namespace rcnn::eval

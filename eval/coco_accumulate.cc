#include "rcnn/eval/coco_accumulate.h"

#include <algorithm>
#include <limits>

#include "rcnn/eval/coco_matching.h"

namespace rcnn::eval {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();

// A detection that touches an annotation, with counts of the detections before it.
struct Event {
  int64_t index = 0;           // in RankedCategory::events
  int64_t in_range_up_to = 0;  // detections up to and including it whose area is in the range
  bool in_range = false;       // its own
  double score = 0;
};

// A true positive.
struct Hit {
  double precision = 0;
  double score = 0;
};

class Accumulator {
 public:
  Accumulator(const RankedCategory& ranked, int64_t k, int64_t a, int64_t positives,
              CocoEvaluation& evaluation)
      : ranked_(ranked), k_(k), a_(a), positives_(positives), evaluation_(evaluation) {
    FindNeededHits();
  }

  void Run() {
    for (int64_t m = 0; m < evaluation_.M(); ++m) {
      FindEvents(evaluation_.options.max_detections[m]);
      for (int64_t t = 0; t < evaluation_.T(); ++t) {
        FindHits(t);
        Write(t, m);
      }
    }
  }

 private:
  // The number of true positives that reach each recall threshold: the smallest c
  // with c / positives >= threshold, by the division that the official code
  // searches.
  void FindNeededHits() {
    int64_t hits = 0;
    for (double threshold : evaluation_.options.recall_thresholds) {
      while (hits <= positives_ &&
             static_cast<double>(hits) / static_cast<double>(positives_) < threshold) {
        ++hits;
      }
      needed_hits_.push_back(hits);
    }
  }

  void FindEvents(int64_t max_rank) {
    const AreaRange& range = evaluation_.options.areas[a_];
    events_.clear();
    any_detection_ = false;
    int64_t in_range_count = 0;
    int64_t next = 0;
    const auto& detections = ranked_.detections;
    for (size_t i = 0; i < detections.size(); ++i) {
      const RankedDetection& d = detections[i];
      const int64_t event = d.event >= 0 ? next++ : -1;
      if (d.rank >= max_rank) continue;
      any_detection_ = true;
      const bool in_range = !(d.area < range.low || d.area > range.high);
      in_range_count += in_range;
      if (event >= 0) events_.push_back({event, in_range_count, in_range, d.score});
    }
  }

  void FindHits(int64_t t) {
    const uint8_t* codes =
        ranked_.codes.data() + (a_ * evaluation_.T() + t) * ranked_.events.size();
    hits_.clear();
    int64_t correction = 0;  // what matches change in the count of those in range
    for (const Event& event : events_) {
      const uint8_t code = codes[event.index];
      if (code == kIgnoredMatch) correction -= event.in_range;
      if (code != kTruePositive) continue;
      correction += !event.in_range;
      // false and true positives so far
      const double all = static_cast<double>(event.in_range_up_to + correction);
      const double hits = static_cast<double>(hits_.size() + 1);
      hits_.push_back({hits / (all + kEpsilon), event.score});
    }
    // Precision at a recall is the best at that recall or beyond.
    for (size_t i = hits_.size(); i-- > 1;) {
      hits_[i - 1].precision = std::max(hits_[i - 1].precision, hits_[i].precision);
    }
  }

  void Write(int64_t t, int64_t m) {
    evaluation_.recall[evaluation_.Index(t, k_, a_, m)] =
        static_cast<double>(hits_.size()) / static_cast<double>(positives_);
    for (size_t r = 0; r < needed_hits_.size(); ++r) {
      const Hit at = HitAt(needed_hits_[r]);
      const int64_t index = evaluation_.Index(t, static_cast<int64_t>(r), k_, a_, m);
      evaluation_.precision[index] = at.precision;
      evaluation_.scores[index] = at.score;
    }
  }

  Hit HitAt(int64_t needed) const {
    if (needed > static_cast<int64_t>(hits_.size())) return {};
    if (needed > 0) return hits_[needed - 1];
    // The very first detection reaches a recall of 0.
    if (!any_detection_) return {};
    return {hits_.empty() ? 0.0 : hits_[0].precision, ranked_.detections[0].score};
  }

  const RankedCategory& ranked_;
  const int64_t k_;
  const int64_t a_;
  const int64_t positives_;
  CocoEvaluation& evaluation_;
  std::vector<int64_t> needed_hits_;  // [R]
  std::vector<Event> events_;
  std::vector<Hit> hits_;
  bool any_detection_ = false;
};

}  // namespace

void AccumulateCategory(const RankedCategory& ranked, int64_t k, int64_t a, int64_t positives,
                        CocoEvaluation& evaluation) {
  if (positives == 0) return;
  Accumulator(ranked, k, a, positives, evaluation).Run();
}

}  // namespace rcnn::eval

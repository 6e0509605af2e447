#include "rcnn/eval/compare/ranked_matches.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "absl/types/span.h"
#include "rcnn/eval/coco_cells.h"
#include "rcnn/eval/coco_matching.h"
#include "rcnn/eval/parallel_for.h"

namespace rcnn::eval {
namespace {

constexpr int64_t kMaxDetections = 100;

CocoEvalOptions MatchOptions() {
  CocoEvalOptions options;
  options.areas.resize(1);  // all
  options.max_detections = {kMaxDetections};
  return options;
}

// A detection before sorting.
struct Candidate {
  double score = 0;
  uint32_t image = 0;
  int32_t codes = -1;  // row of ClassMatcher::codes_, -1: matches nothing anywhere
};

// Mean over the thresholds of the AP of one class on one image.
// codes: [touched, T]; ranks of the touched detections among all of the cell.
double CellAp(absl::Span<const int64_t> ranks, absl::Span<const uint8_t> codes, int64_t thresholds,
              int64_t objects) {
  double sum = 0;
  std::vector<double> precisions;
  for (int64_t t = 0; t < thresholds; ++t) {
    precisions.clear();
    int64_t ignored = 0;
    for (size_t i = 0; i < ranks.size(); ++i) {
      const uint8_t code = codes[i * thresholds + t];
      ignored += code == kIgnoredMatch;
      if (code != kTruePositive) continue;
      const auto found = static_cast<double>(precisions.size() + 1);
      precisions.push_back(found / static_cast<double>(ranks[i] + 1 - ignored));
    }
    for (size_t i = precisions.size(); i-- > 1;) {
      precisions[i - 1] = std::max(precisions[i - 1], precisions[i]);
    }
    // Recalls 0, 0.01, ... up to that of each hit.
    int64_t below = 0;
    for (size_t i = 0; i < precisions.size(); ++i) {
      const int64_t reached = 100 * static_cast<int64_t>(i + 1) / objects + 1;
      sum += precisions[i] * static_cast<double>(reached - below);
      below = reached;
    }
  }
  return sum / static_cast<double>(101 * thresholds);
}

class ClassMatcher {
 public:
  ClassMatcher(const GroundTruth& truth, const Detections& detections, CocoCells& cells,
               const CocoEvalOptions& options)
      : truth_(truth),
        detections_(detections),
        cells_(cells),
        matcher_(options),
        thresholds_(static_cast<int64_t>(options.iou_thresholds.size())) {}

  // image_aps: (image, AP of the class on it).
  ClassMatches Match(int64_t k, std::vector<std::pair<uint32_t, double>>& image_aps) {
    candidates_.clear();
    codes_.clear();
    ClassMatches matches;
    for (int64_t c = cells_.category_begin[k]; c < cells_.category_begin[k + 1]; ++c) {
      MatchCell(cells_.cells[c], matches, image_aps);
    }
    std::stable_sort(candidates_.begin(), candidates_.end(),
                     [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
    Rank(matches);
    return matches;
  }

 private:
  void MatchCell(CocoCell& cell, ClassMatches& matches,
                 std::vector<std::pair<uint32_t, double>>& image_aps) {
    const auto begin = cells_.detections.begin() + cell.dt_begin;
    std::stable_sort(begin, cells_.detections.begin() + cell.dt_end, [&](uint32_t a, uint32_t b) {
      return detections_.scores[a] > detections_.scores[b];
    });
    const int64_t kept = std::min(cell.dt_end - cell.dt_begin, kMaxDetections);
    const auto first = static_cast<int64_t>(candidates_.size());
    boxes_.clear();
    for (int64_t i = 0; i < kept; ++i) {
      const uint32_t d = *(begin + i);
      candidates_.push_back({detections_.scores[d], static_cast<uint32_t>(cell.image), -1});
      boxes_.push_back(detections_.boxes[d]);
    }
    annotations_.clear();
    uint32_t objects = 0;
    for (int64_t i = cell.gt_begin; i < cell.gt_end; ++i) {
      annotations_.push_back(&truth_.annotations[cells_.annotations[i]]);
      objects += !annotations_.back()->crowd;
    }
    if (objects > 0) matches.objects.push_back({static_cast<uint32_t>(cell.image), objects});
    if (annotations_.empty()) return;
    matcher_.Match(boxes_, annotations_);
    for (int64_t d : matcher_.touched()) {
      candidates_[first + d].codes = static_cast<int32_t>(codes_.size() / thresholds_);
      const auto row = matcher_.codes().subspan(
          (codes_.size() / thresholds_ - rows_before_) * thresholds_, thresholds_);
      codes_.insert(codes_.end(), row.begin(), row.end());
    }
    rows_before_ = static_cast<int64_t>(codes_.size()) / thresholds_;
    if (objects == 0) return;
    image_aps.push_back({static_cast<uint32_t>(cell.image),
                         CellAp(matcher_.touched(), matcher_.codes(), thresholds_, objects)});
  }

  void Rank(ClassMatches& matches) {
    rows_before_ = 0;
    matches.events.resize(thresholds_);
    matches.images.reserve(candidates_.size());
    for (const Candidate& candidate : candidates_) {
      if (candidate.codes >= 0) {
        const auto touched = static_cast<uint32_t>(matches.touched.size());
        matches.touched.push_back(static_cast<uint32_t>(matches.images.size()));
        for (int64_t t = 0; t < thresholds_; ++t) {
          const uint8_t code = codes_[candidate.codes * thresholds_ + t];
          if (code != kNoMatch) matches.events[t].push_back({touched, code == kTruePositive});
        }
      }
      matches.images.push_back(candidate.image);
    }
  }

  const GroundTruth& truth_;
  const Detections& detections_;
  CocoCells& cells_;
  CellMatcher matcher_;
  const int64_t thresholds_;
  std::vector<Candidate> candidates_;
  std::vector<uint8_t> codes_;  // [touched detections of the class, T]
  int64_t rows_before_ = 0;     // of cells before the current one
  std::vector<XywhBox> boxes_;
  std::vector<const Annotation*> annotations_;
};

}  // namespace

RankedMatches RankMatches(const GroundTruth& truth, const Detections& detections, int threads) {
  const CocoEvalOptions options = MatchOptions();
  CocoCells cells = GroupByCell(truth, detections);
  const auto classes = static_cast<int64_t>(truth.categories.size());
  RankedMatches ranked;
  ranked.classes.resize(classes);
  std::vector<std::vector<std::pair<uint32_t, double>>> image_aps(classes);
  ParallelFor(classes, threads, [&](int64_t k) {
    ranked.classes[k] = ClassMatcher(truth, detections, cells, options).Match(k, image_aps[k]);
  });
  std::vector<int64_t> counts(truth.images.size(), 0);
  ranked.image_ap.assign(truth.images.size(), 0);
  for (const auto& class_aps : image_aps) {
    for (const auto& [image, ap] : class_aps) {
      ranked.image_ap[image] += ap;
      ++counts[image];
    }
  }
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) {
      ranked.image_ap[i] = std::numeric_limits<double>::quiet_NaN();
    } else {
      ranked.image_ap[i] /= static_cast<double>(counts[i]);
    }
  }
  return ranked;
}

}  // namespace rcnn::eval

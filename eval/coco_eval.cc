#include "rcnn/eval/coco_eval.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/eval/coco_accumulate.h"
#include "rcnn/eval/coco_cells.h"
#include "rcnn/eval/coco_matching.h"
#include "rcnn/eval/id_index.h"
#include "rcnn/eval/parallel_for.h"

namespace rcnn::eval {
namespace {

constexpr int64_t kCellsPerBlock = 512;

absl::Status Invalid(absl::string_view what) { return absl::InvalidArgumentError(what); }

absl::Status CheckDetections(const GroundTruth& truth, const Detections& detections) {
  if (detections.size() > std::numeric_limits<uint32_t>::max()) {
    return Invalid(absl::StrCat(detections.size(), " detections: the limit is 2^32 - 1"));
  }
  const IdIndex images(truth.images);
  for (int64_t i = 0; i < detections.size(); ++i) {
    if (images.Find(detections.image_ids[i]) < 0) {
      return Invalid(absl::StrCat("detection ", i, " (the first is 0): image_id ",
                                  detections.image_ids[i], " is not an image of the dataset"));
    }
    if (!std::isfinite(detections.scores[i])) {
      return Invalid(
          absl::StrCat("detection ", i, " (the first is 0): score is ", detections.scores[i]));
    }
  }
  return absl::OkStatus();
}

// Detections of a range of cells that touch an annotation.
struct Touched {
  std::vector<int64_t> slots;  // positions in CocoCells::detections, ascending
  std::vector<uint8_t> codes;  // [slots, A, T]
};

class Evaluator {
 public:
  Evaluator(const GroundTruth& truth, const Detections& detections, CocoEvaluation& evaluation)
      : truth_(truth),
        detections_(detections),
        evaluation_(evaluation),
        cells_(GroupByCell(truth, detections)),
        codes_per_event_(evaluation.A() * evaluation.T()) {}

  void Run() {
    const int threads = evaluation_.options.threads;
    const int64_t K = evaluation_.K();
    const int64_t A = evaluation_.A();
    const int64_t cell_count = static_cast<int64_t>(cells_.cells.size());
    touched_.resize((cell_count + kCellsPerBlock - 1) / kCellsPerBlock);
    ParallelFor(static_cast<int64_t>(touched_.size()), threads, [&](int64_t b) { MatchBlock(b); });
    ranked_.resize(K);
    positives_.assign(K * A, 0);
    ParallelFor(K, threads, [&](int64_t k) { RankCategory(k); });
    ParallelFor(K * A, threads, [&](int64_t i) {
      AccumulateCategory(ranked_[i / A], i / A, i % A, positives_[i], evaluation_);
    });
  }

 private:
  // Puts a cell's detections in order of score and keeps the best.
  void SortCell(CocoCell& cell) {
    auto begin = cells_.detections.begin() + cell.dt_begin;
    auto end = cells_.detections.begin() + cell.dt_end;
    const std::vector<double>& scores = detections_.scores;
    auto better = [&](uint32_t a, uint32_t b) { return scores[a] > scores[b]; };
    if (!std::is_sorted(begin, end, better)) std::stable_sort(begin, end, better);
    const int64_t most = evaluation_.options.max_detections.back();
    cell.dt_end = std::min(cell.dt_end, cell.dt_begin + most);
  }

  void MatchBlock(int64_t block) {
    CellMatcher matcher(evaluation_.options);
    std::vector<XywhBox> boxes;
    std::vector<const Annotation*> annotations;
    Touched& touched = touched_[block];
    const int64_t end = std::min<int64_t>((block + 1) * kCellsPerBlock, cells_.cells.size());
    for (int64_t c = block * kCellsPerBlock; c < end; ++c) {
      CocoCell& cell = cells_.cells[c];
      SortCell(cell);
      if (cell.gt_begin == cell.gt_end || cell.dt_begin == cell.dt_end) continue;
      boxes.clear();
      for (int64_t i = cell.dt_begin; i < cell.dt_end; ++i) {
        boxes.push_back(detections_.boxes[cells_.detections[i]]);
      }
      annotations.clear();
      for (int64_t i = cell.gt_begin; i < cell.gt_end; ++i) {
        annotations.push_back(&truth_.annotations[cells_.annotations[i]]);
      }
      matcher.Match(boxes, annotations);
      for (int64_t d : matcher.touched()) touched.slots.push_back(cell.dt_begin + d);
      touched.codes.insert(touched.codes.end(), matcher.codes().begin(), matcher.codes().end());
    }
  }

  void RankCategory(int64_t k) {
    const CocoCell* begin = cells_.cells.data() + cells_.category_begin[k];
    const CocoCell* end = cells_.cells.data() + cells_.category_begin[k + 1];
    CountPositives(begin, end, k);
    const std::vector<const uint8_t*> codes = ListDetections(begin, end, ranked_[k]);
    auto& detections = ranked_[k].detections;
    std::stable_sort(
        detections.begin(), detections.end(),
        [](const RankedDetection& a, const RankedDetection& b) { return a.score > b.score; });
    LayOutCodes(codes, ranked_[k]);
  }

  void CountPositives(const CocoCell* begin, const CocoCell* end, int64_t k) {
    for (const CocoCell* cell = begin; cell != end; ++cell) {
      for (int64_t i = cell->gt_begin; i < cell->gt_end; ++i) {
        const Annotation& annotation = truth_.annotations[cells_.annotations[i]];
        evaluation_.annotation_counts[k] += !annotation.crowd;
        for (int64_t a = 0; a < evaluation_.A(); ++a) {
          positives_[k * evaluation_.A() + a] +=
              !IsIgnored(annotation, evaluation_.options.areas[a]);
        }
      }
    }
  }

  // Lists the kept detections cell by cell. Returns the codes [A, T] of each
  // that touches an annotation; `event` is its position among them.
  std::vector<const uint8_t*> ListDetections(const CocoCell* begin, const CocoCell* end,
                                             RankedCategory& ranked) const {
    std::vector<const uint8_t*> codes;
    for (const CocoCell* cell = begin; cell != end; ++cell) {
      const Touched& touched = touched_[(cell - cells_.cells.data()) / kCellsPerBlock];
      auto next = std::lower_bound(touched.slots.begin(), touched.slots.end(), cell->dt_begin);
      for (int64_t slot = cell->dt_begin; slot < cell->dt_end; ++slot) {
        const uint32_t i = cells_.detections[slot];
        const XywhBox& box = detections_.boxes[i];
        int32_t event = -1;
        if (next != touched.slots.end() && *next == slot) {
          event = static_cast<int32_t>(codes.size());
          codes.push_back(touched.codes.data() + (next - touched.slots.begin()) * codes_per_event_);
          ++next;
        }
        ranked.detections.push_back({detections_.scores[i], box.width * box.height,
                                     static_cast<int32_t>(slot - cell->dt_begin), event});
      }
    }
    return codes;
  }

  // Transposes the codes to [A, T, E], with the events in order of score.
  void LayOutCodes(const std::vector<const uint8_t*>& codes, RankedCategory& ranked) const {
    const int64_t E = static_cast<int64_t>(codes.size());
    ranked.events.reserve(E);
    ranked.codes.resize(E * codes_per_event_);
    for (size_t i = 0; i < ranked.detections.size(); ++i) {
      const int32_t event = ranked.detections[i].event;
      if (event < 0) continue;
      const int64_t e = static_cast<int64_t>(ranked.events.size());
      for (int64_t c = 0; c < codes_per_event_; ++c) ranked.codes[c * E + e] = codes[event][c];
      ranked.events.push_back(static_cast<int64_t>(i));
    }
  }

  const GroundTruth& truth_;
  const Detections& detections_;
  CocoEvaluation& evaluation_;
  CocoCells cells_;
  const int64_t codes_per_event_;
  std::vector<Touched> touched_;        // of each block of cells
  std::vector<RankedCategory> ranked_;  // [K]
  std::vector<int64_t> positives_;      // [K, A]
};

}  // namespace

absl::StatusOr<CocoEvaluation> EvaluateCoco(const GroundTruth& truth, const Detections& detections,
                                            const CocoEvalOptions& options) {
  RCNN_RETURN_IF_ERROR(CheckOptions(options));
  RCNN_RETURN_IF_ERROR(CheckDetections(truth, detections));
  CocoEvaluation evaluation;
  evaluation.options = options;
  std::sort(evaluation.options.max_detections.begin(), evaluation.options.max_detections.end());
  evaluation.categories = truth.categories;
  const int64_t KAM = evaluation.K() * evaluation.A() * evaluation.M();
  evaluation.precision.assign(evaluation.T() * evaluation.R() * KAM, -1.0);
  evaluation.scores.assign(evaluation.T() * evaluation.R() * KAM, -1.0);
  evaluation.recall.assign(evaluation.T() * KAM, -1.0);
  evaluation.annotation_counts.assign(evaluation.K(), 0);
  evaluation.detection_counts.assign(evaluation.K(), 0);
  const IdIndex categories(truth.categories);
  for (int64_t id : detections.category_ids) {
    if (const int64_t k = categories.Find(id); k >= 0) ++evaluation.detection_counts[k];
  }
  Evaluator(truth, detections, evaluation).Run();
  return evaluation;
}

}  // namespace rcnn::eval

// Precision, recall and scores of one category from its matches.
//
// A part of coco_eval.h. Takes the detections of a category in order of score.
// Precision changes for the better only at true positives, so that detections
// without a match are counted, and those with one are kept.
//
// Source: cocoapi PythonAPI/pycocotools/cocoeval.py, accumulate.
//
// Example, for one category after the other:
//   accumulator.Start();
//   for (...) {
//     accumulator.AddDetection(score, rank, area);
//     if (matched) accumulator.AddMatch(true_positives, ignored_matches);
//   }
//   accumulator.Write(k, positives, evaluation);

#ifndef RCNN_EVAL_COCO_ACCUMULATE_H_
#define RCNN_EVAL_COCO_ACCUMULATE_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "rcnn/eval/coco_evaluation.h"

namespace rcnn::eval {

// A is the number of area ranges, M of limits (max_detections), W of words of
// thresholds, as in GreedyMatcher.
class CategoryAccumulator {
 public:
  // The options must outlive the accumulator; their max_detections ascend.
  explicit CategoryAccumulator(const CocoEvalOptions& options);

  // Begins a category.
  void Start();

  // The next detection, from the highest score to the lowest, equal scores by
  // image and rank.
  //   rank  number of better ones of the same category and image; less than the
  //         last limit
  //   area  its size in square pixels
  void AddDetection(double score, int64_t rank, double area);

  // The matches of the last detection added, [A, W] each.
  void AddMatch(absl::Span<const uint64_t> true_positives,
                absl::Span<const uint64_t> ignored_matches);

  // Writes the curves and recalls of category k.
  //   positives  [A] number of annotations that are not ignored in the range;
  //              with 0 the entries are left as they are
  void Write(int64_t k, absl::Span<const int64_t> positives, CocoEvaluation& evaluation);

 private:
  // A detection that has a match somewhere.
  struct Event {
    double score;
    int64_t limit;  // the first that its rank is below
  };
  // A true positive.
  struct Hit {
    double precision;
    double score;
  };

  void FindNeededHits(int64_t positives);
  void FindHits(int64_t a, int64_t m);
  void FindHitsOfEvent(size_t e, int64_t a, int64_t m, int64_t w);
  CurvePoint PointAt(int64_t t, int64_t needed) const;

  const CocoEvalOptions& options_;
  const int64_t A_;
  const int64_t M_;
  const int64_t T_;
  const int64_t W_;
  bool any_detection_ = false;
  double best_score_ = 0;
  double last_score_ = 0;
  std::vector<uint8_t> in_range_;      // [A] of the last detection
  int64_t limit_ = 0;                  // of the last detection
  std::vector<int64_t> limit_counts_;  // [M] detections by their limit
  std::vector<int64_t> range_counts_;  // [M, A] of those the ones in range

  std::vector<Event> events_;
  std::vector<uint8_t> event_in_range_;  // [E, A]
  std::vector<int64_t> event_counts_;    // [E, M, A] range_counts_ with this one
  std::vector<uint64_t> event_hits_;     // [E, A, W]
  std::vector<uint64_t> event_ignored_;  // [E, A, W]

  // Of the area range and limit being written.
  std::vector<uint32_t> columns_;       // [R] as in CategoryCurves
  std::vector<int64_t> needed_hits_;    // of each column
  std::vector<std::vector<Hit>> hits_;  // [T]
  std::vector<int64_t> corrections_;    // [T]
  std::vector<CurvePoint> points_;
};

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_COCO_ACCUMULATE_H_

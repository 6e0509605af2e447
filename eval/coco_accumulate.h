// Precision, recall and scores of one category from its matches.
//
// A part of coco_eval.h. Takes the detections of one category from the highest score
// to the lowest. Precision rises only at true positives, so detections without a
// match are only counted; those with a match at any IoU threshold, in any area range,
// are stored.
//
// Source: cocoapi PythonAPI/pycocotools/cocoeval.py, accumulate.
//
// Example, for one category after the other:
//   accumulator.StartCategory();
//   int64_t rank = 0;
//   for (const Match& match : matches) {  // best score first
//     accumulator.AddDetection(match.score, rank++, match.area);
//     if (match.matched) accumulator.AddMatch(match.hits, match.ignored);
//   }
//   accumulator.Write(k, positives, evaluation);

#ifndef RCNN_EVAL_COCO_ACCUMULATE_H_
#define RCNN_EVAL_COCO_ACCUMULATE_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "rcnn/eval/coco_evaluation.h"

namespace rcnn::eval {

// A area ranges, M limits (max_detections), T IoU thresholds, R recall thresholds, E
// stored detections, W = ceil(T / 64) words: threshold t is bit t % 64 of word t / 64,
// as in GreedyMatcher.
class CategoryAccumulator {
 public:
  // The options must outlive the accumulator; their max_detections must
  // strictly ascend.
  explicit CategoryAccumulator(const CocoEvalOptions& options);

  // Discards the previous category. Called before the first AddDetection of each.
  void StartCategory();

  // Adds the next detection: from the highest score to the lowest, equal scores in
  // order of image, then rank.
  //   rank  number of better detections of the category in the same image; less than
  //         the last limit
  //   area  of the detection, in square pixels
  void AddDetection(double score, int64_t rank, double area);

  // Stores the matches of the last detection added, [A, W] each: the IoU thresholds at
  // which it is a true positive, and at which it matches an ignored annotation.
  void AddMatch(absl::Span<const uint64_t> true_positives,
                absl::Span<const uint64_t> ignored_matches);

  // Writes precision, scores and recall of the category to index k of `evaluation`.
  //   positives  [A] number of annotations that are not ignored in the range; where
  //              it is 0, nothing is written
  void Write(int64_t k, absl::Span<const int64_t> positives, CocoEvaluation& evaluation);

 private:
  // A detection with a match at some IoU threshold in some area range.
  struct MatchedDetection {
    double score;
    int64_t limit;  // index of the smallest limit greater than its rank
  };
  // A true positive.
  struct Hit {
    double precision;
    double score;
  };

  void FindNeededHits(int64_t positives);
  void FindHits(int64_t a, int64_t m);
  void FindHitsOfDetection(size_t e, int64_t a, int64_t m, int64_t w);
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
  int64_t limit_ = 0;                  // index of the last detection's limit
  std::vector<int64_t> limit_counts_;  // [M] detections by their limit
  std::vector<int64_t> range_counts_;  // [M, A] those of them whose area is in range

  std::vector<MatchedDetection> matched_;
  std::vector<uint8_t> matched_in_range_;  // [E, A]
  std::vector<int64_t> matched_counts_;    // [E, M, A] range_counts_ up to and including it
  std::vector<uint64_t> matched_hits_;     // [E, A, W]
  std::vector<uint64_t> matched_ignored_;  // [E, A, W]

  // Of the area range and limit being written.
  std::vector<uint32_t> columns_;       // [R] as in CategoryCurves
  std::vector<int64_t> needed_hits_;    // [columns] true positives that reach its recall
  std::vector<std::vector<Hit>> hits_;  // [T]
  std::vector<int64_t> corrections_;    // [T] added to the detections in range, see the .cc
  std::vector<CurvePoint> points_;
};

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_COCO_ACCUMULATE_H_

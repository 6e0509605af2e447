// Puts items in order of score, the best first.
//
// A radix sort. Scores become integers that ascend as the scores descend. Their
// upper 32 bits (sign, exponent and 20 bits of the fraction) are sorted in three
// passes, and the few neighbours that agree in all 32 by comparison. About ten
// times as fast as a comparison sort for 100,000 scores, because each score is
// read only once.
//
// Example:
//   ScoreSorter sorter;
//   sorter.Sort(scores, absl::MakeSpan(items));

#ifndef RCNN_EVAL_SCORE_ORDER_H_
#define RCNN_EVAL_SCORE_ORDER_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace rcnn::eval {

// Reuses its buffers between calls.
class ScoreSorter {
 public:
  // Sorts `items` by scores[item], descending; equal scores keep their order.
  // Scores are not NaN; -0 equals 0.
  void Sort(absl::Span<const double> scores, absl::Span<uint32_t> items);

 private:
  struct Keyed {
    uint32_t key;
    uint32_t item;
  };

  void SortByKey();

  std::vector<Keyed> keyed_;
  std::vector<Keyed> other_;
};

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_SCORE_ORDER_H_

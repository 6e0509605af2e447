// The best scores of each row, best first, of equal ones the first: the order of score_order.h,
// without sorting all scores.
//
// Select finds them, ascending by index (select_smallest.h); a sort of these few then puts the best
// first (merge_sort.h).
//
// A source is one of SelectSmallestKernel whose keys are those of its scores:
//   RCNN_HOST_DEVICE float Score(int64_t row, int64_t i) const;   // of candidate i

#ifndef RCNN_OPS_KERNELS_TOP_SCORES_H_
#define RCNN_OPS_KERNELS_TOP_SCORES_H_

#include <cstdint>

#include "rcnn/ops/kernels/kernel.h"
#include "rcnn/ops/kernels/merge_sort.h"
#include "rcnn/ops/kernels/select_smallest.h"

namespace rcnn::ops {

// The select's key of a score.
RCNN_HOST_DEVICE inline uint32_t ScoreKey(float score) {
  return static_cast<uint32_t>(DescendingKey(score));
}

// entries[row * capacity + i]: selected candidate i with its score's key; what does not count last.
template <typename Source>
struct RankSelected {
  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    const int64_t row = i / capacity;
    if (i % capacity < counts[row]) {
      entries[i] = {DescendingKey(source.Score(row, selected[i])), selected[i]};
    } else {
      // Different indices, for a unique order.
      entries[i] = {kLastKey, i % capacity};
    }
  }

  Source source;
  int64_t capacity;
  const int64_t* selected;
  const int64_t* counts;
  Ranked* entries;
};

// Arrays of FindTopScores, all but `counts` [rows, capacity].
struct TopScoresScratch {
  int64_t* selected;
  int64_t* counts;  // [rows]; a result
  Ranked* entries;
  Ranked* sort_scratch;
};

// Finds the best candidates of each row up to the source's limit, which must not exceed `capacity`.
// Returns them [rows, capacity], best first: scratch.entries or scratch.sort_scratch, of which the
// first scratch.counts[row] count.
template <typename Launch, typename Source>
const Ranked* FindTopScores(Launch& launch, int64_t rows, int64_t capacity, const Source& source,
                            const TopScoresScratch& scratch) {
  launch(SelectSmallestKernel<Source>{source, rows, capacity, scratch.selected, scratch.counts});
  LaunchForEach(
      launch, rows * capacity,
      RankSelected<Source>{source, capacity, scratch.selected, scratch.counts, scratch.entries});
  return SortRows(launch, rows, capacity, scratch.entries, scratch.sort_scratch);
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_TOP_SCORES_H_

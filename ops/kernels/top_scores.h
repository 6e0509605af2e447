// The best scores of each row, best first, of equal ones the first: the order of score_order.h,
// without sorting all scores.
//
// SelectSmallest finds them, ascending by index; a sort of these few then puts the best first
// (merge_sort.h).
//
// A source is one of SelectSmallest whose keys are those of its scores:
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

// Arrays of FindTopScores, [rows, capacity] unless noted.
struct TopScoresScratch {
  int64_t* selected;
  int64_t* counts;  // [rows]; a result
  Ranked* entries;
  Ranked* sort_scratch;
  SelectScratch select;  // of its own sizes
};

// Fills in `scratch`. Its arrays come from arrays.Add(T** pointer, int64_t count), which sets
// *pointer before they are used.
template <typename Arrays>
void PlanTopScores(const RowParts& parts, int64_t capacity, Arrays& arrays,
                   TopScoresScratch* scratch) {
  const int64_t all = parts.rows * capacity;
  arrays.Add(&scratch->selected, all);
  arrays.Add(&scratch->counts, parts.rows);
  arrays.Add(&scratch->entries, all);
  arrays.Add(&scratch->sort_scratch, all);
  PlanSelection(parts, arrays, &scratch->select);
}

// Finds the best candidates of each row of `parts`, up to the source's limit or `capacity`. Returns
// them [rows, capacity], best first: scratch.entries or scratch.sort_scratch, of which the first
// scratch.counts[row] count.
template <typename Launch, typename Source>
const Ranked* FindTopScores(Launch& launch, const RowParts& parts, int64_t capacity,
                            const Source& source, const TopScoresScratch& scratch) {
  SelectSmallest(launch, parts, source, {capacity, scratch.selected, scratch.counts},
                 scratch.select);
  LaunchForEach(
      launch, parts.rows * capacity,
      RankSelected<Source>{source, capacity, scratch.selected, scratch.counts, scratch.entries});
  return SortRows(launch, parts.rows, capacity, scratch.entries, scratch.sort_scratch);
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_TOP_SCORES_H_

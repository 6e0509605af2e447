// What the kernels of nms_tiles.h work on: rows of candidates, their results and scratch, and the
// kernel that brings the candidates into the order of their scores.

#ifndef RCNN_OPS_KERNELS_NMS_WORK_H_
#define RCNN_OPS_KERNELS_NMS_WORK_H_

#include <cstdint>

#include "rcnn/ops/kernels/box_overlap.h"
#include "rcnn/ops/kernels/kernel.h"
#include "rcnn/ops/kernels/merge_sort.h"
#include "rcnn/ops/kernels/suppression.h"

namespace rcnn::ops {

// Candidates in a word of a bitmask.
constexpr int64_t kWordBits = 64;

// The lowest `count` bits of a word, > 0; all if there are not so many.
RCNN_HOST_DEVICE inline uint64_t FirstBits(int64_t count) {
  return count < kWordBits ? (uint64_t{1} << count) - 1 : ~uint64_t{0};
}

// Arguments, results and scratch of the kernels. kSlabSize is the number of candidates in a slab, a
// multiple of 64.
template <typename T, int64_t kSlabSize>
struct NmsWork {
  static constexpr int64_t kSlab = kSlabSize;
  static constexpr int64_t kSlabWords = kSlab / kWordBits;
  // Kept boxes that one block of CompareWithKept compares with.
  static constexpr int64_t kChunk = 1024;

  int64_t rows;
  int64_t capacity;       // boxes per row
  const T* boxes;         // [rows, capacity, 4]
  const T* scores;        // [rows, capacity]
  const int64_t* counts;  // [rows], boxes that count; null: all
  // [rows, capacity]; boxes of different groups do not suppress each other. Null: one group.
  const int64_t* groups;
  T threshold;       // of LargestAllowed
  T extra;           // 1 for inclusive boxes, 0 otherwise
  int64_t max_keep;  // per row

  int64_t* kept;        // [rows, KeptCapacity()], indices of kept boxes, best first; 0 beyond
  int64_t* kept_count;  // [rows]

  // Scratch, from memory that lives until the kernels end.
  Ranked* entries;         // [rows, capacity]
  Ranked* sort_scratch;    // [rows, capacity]
  AreaBox<T>* sorted;      // [rows, capacity], best first
  int64_t* sorted_group;   // [rows, capacity]; unused without groups
  AreaBox<T>* kept_boxes;  // [rows, KeptCapacity()]
  int64_t* kept_group;     // [rows, KeptCapacity()]; unused without groups
  uint64_t* suppressed;    // [rows, Chunks(), SlabWords()]
  uint64_t* nonzero;       // [rows, SlabWords(), SlabWords()]
  // [rows, SlabRows(), SlabWords()], where it is not 0, and in a candidate's own tile and the next.
  uint64_t* mask;

  RCNN_HOST_DEVICE int64_t KeptCapacity() const { return Lesser(capacity, max_keep); }
  // Of a slab, when rows are shorter than kSlab.
  RCNN_HOST_DEVICE int64_t SlabWords() const {
    return Lesser(kSlabWords, CeilDivide(capacity, kWordBits));
  }
  RCNN_HOST_DEVICE int64_t SlabRows() const { return SlabWords() * kWordBits; }
  RCNN_HOST_DEVICE int64_t Chunks() const { return CeilDivide(KeptCapacity(), kChunk); }
  // The chunks that can hold boxes kept of the first `candidates`.
  RCNN_HOST_DEVICE int64_t ChunksBefore(int64_t candidates) const {
    return CeilDivide(Lesser(KeptCapacity(), candidates), kChunk);
  }
  RCNN_HOST_DEVICE int64_t Count(int64_t row) const {
    return counts == nullptr ? capacity : counts[row];
  }
  RCNN_HOST_DEVICE bool Suppress(const AreaBox<T>& a, int64_t a_group, const AreaBox<T>& b,
                                 int64_t b_group) const {
    return a_group == b_group && Suppresses(a, b, threshold, extra);
  }
};

// Puts box `i` of the sorted order in its place, if it counts, and clears the results. Nothing
// reads the places of the others: memory that nobody has written.
template <typename Work>
struct GatherSorted {
  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    const int64_t row = i / work.capacity;
    const int64_t column = i % work.capacity;
    if (column < work.Count(row)) {
      const int64_t from = row * work.capacity + entries[i].index;
      work.sorted[i] = LoadAreaBox(work.boxes + 4 * from, work.extra);
      if (work.groups != nullptr) work.sorted_group[i] = work.groups[from];
    }
    if (column < work.KeptCapacity()) work.kept[row * work.KeptCapacity() + column] = 0;
    if (column == 0) work.kept_count[row] = 0;
  }

  Work work;
  const Ranked* entries;
};

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_NMS_WORK_H_

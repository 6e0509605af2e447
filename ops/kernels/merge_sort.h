// Sorts rows of scores, highest first, equal ones by index: the order of score_order.h.
//
// A score becomes an unsigned key whose order is the reverse of the score's; with the
// index as the second key no two entries are equal, so the order is unique. A block sorts a
// tile of kTile entries by counting, for each, those before it. Then runs are merged, four
// at a time: an entry's place is the number of entries of all four before it, found by
// bisection. In a merge every entry has a thread of its own and threads share no memory,
// so runs may have any length.
//
// R rows of N entries of 16 bytes: 1 + log4(N / 256) passes, rounded up, of 32 R N bytes.

#ifndef RCNN_OPS_KERNELS_MERGE_SORT_H_
#define RCNN_OPS_KERNELS_MERGE_SORT_H_

#include <cstdint>
#include <cstring>
#include <utility>

#include "rcnn/ops/kernels/kernel.h"

namespace rcnn::ops {

// A smaller key is a higher score. -0 and 0 are equal.
RCNN_HOST_DEVICE inline uint64_t DescendingKey(float score) {
  const float unsigned_zero = score + 0.0f;
  uint32_t bits;
  memcpy(&bits, &unsigned_zero, sizeof(bits));
  return (bits >> 31) != 0 ? bits : ~(bits | 0x80000000u);
}
RCNN_HOST_DEVICE inline uint64_t DescendingKey(double score) {
  const double unsigned_zero = score + 0.0;
  uint64_t bits;
  memcpy(&bits, &unsigned_zero, sizeof(bits));
  return (bits >> 63) != 0 ? bits : ~(bits | 0x8000000000000000u);
}

// The key of entries that do not count: after all scores.
constexpr uint64_t kLastKey = ~uint64_t{0};

struct Ranked {
  uint64_t key;
  int64_t index;

  RCNN_HOST_DEVICE bool IsBefore(const Ranked& other) const {
    return key != other.key ? key < other.key : index < other.index;
  }
};

// entries[row * capacity + i] of scores [rows, capacity]. Of row r the first counts[r] count, or
// all without counts; the others come last, in order.
template <typename T>
struct RankScore {
  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    const int64_t row = i / capacity;
    const int64_t column = i % capacity;
    const bool does_count = counts == nullptr || column < counts[row];
    entries[i] = {does_count ? DescendingKey(scores[i]) : kLastKey, column};
  }

  int64_t capacity;
  const T* scores;
  const int64_t* counts;
  Ranked* entries;
};

// Sorts each tile of each row.
struct SortTilesKernel {
  static constexpr int kThreads = 256;
  static constexpr int64_t kTile = kThreads;
  struct Shared {
    Ranked entries[kTile];
  };
  using Private = None;

  int64_t Blocks() const { return rows * CeilDivide(capacity, kTile); }
  RCNN_HOST_DEVICE int64_t Phases(int64_t /*block*/) const { return 2; }

  RCNN_HOST_DEVICE void Run(int64_t phase, const Place& place, Shared& shared, None&) const {
    const int64_t tiles = CeilDivide(capacity, kTile);
    const int64_t first = place.block % tiles * kTile;
    const int64_t count = Lesser(kTile, capacity - first);
    if (place.thread >= count) return;
    const int64_t base = place.block / tiles * capacity + first;
    if (phase == 0) {
      shared.entries[place.thread] = from[base + place.thread];
      return;
    }
    const Ranked mine = shared.entries[place.thread];
    int64_t rank = 0;
    for (int64_t i = 0; i < count; ++i) rank += shared.entries[i].IsBefore(mine) ? 1 : 0;
    to[base + rank] = mine;
  }

  int64_t rows;
  int64_t capacity;
  const Ranked* from;
  Ranked* to;
};

// Merges runs of `width` entries, a power of two, four at a time.
struct MergeEntry {
  static constexpr int kRuns = 4;

  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    const int64_t row = i / capacity * capacity;
    const int64_t first = (i - row) / (kRuns * width) * (kRuns * width);
    const Ranked mine = from[i];
    // How many entries of each run are before it. Bisections go side by side, so that their loads
    // do not wait for each other.
    int64_t before[kRuns], size[kRuns];
    RCNN_UNROLL
    for (int run = 0; run < kRuns; ++run) {
      before[run] = 0;
      size[run] = Clamped<int64_t>(capacity - first - run * width, 0, width);
    }
    for (int64_t step = width; step > 0; step /= 2) {
      RCNN_UNROLL
      for (int run = 0; run < kRuns; ++run) {
        const int64_t next = before[run] + step;
        const Ranked* const entries = from + row + first + run * width;
        if (next <= size[run] && entries[next - 1].IsBefore(mine)) before[run] = next;
      }
    }
    to[row + first + before[0] + before[1] + before[2] + before[3]] = mine;
  }

  int64_t capacity;
  int64_t width;
  const Ranked* from;
  Ranked* to;
};

// Sorts each of `rows` rows of `capacity` entries, and returns the array that then holds them:
// `entries` or `scratch`, both [rows, capacity].
template <typename Launch>
Ranked* SortRows(Launch& launch, int64_t rows, int64_t capacity, Ranked* entries, Ranked* scratch) {
  if (rows == 0 || capacity == 0) return entries;
  launch(SortTilesKernel{rows, capacity, entries, scratch});
  std::swap(entries, scratch);
  for (int64_t width = SortTilesKernel::kTile; width < capacity; width *= MergeEntry::kRuns) {
    LaunchForEach(launch, rows * capacity, MergeEntry{capacity, width, entries, scratch});
    std::swap(entries, scratch);
  }
  return entries;
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_MERGE_SORT_H_

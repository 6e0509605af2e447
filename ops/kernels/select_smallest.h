// For each row of candidates, the ones with the smallest keys, equal keys by index: the top k of
// scores, or a random sample where keys are random.
//
// The bound of a row is the limit-th smallest key of its candidates. Those below it are selected,
// and of those equal to it the first ones, as many as the limit leaves. Rows are cut into parts,
// and a block works on one part of one row, so that a few long rows occupy a whole GPU. Launches,
// one after another:
//   BeginSelection   of a bound no digit is known
//   CountDigits      a histogram of the next digit, of 8 bits, for each row: of the candidates
//                    whose higher digits are those of the bound. A block counts its part in shared
//                    memory and adds that to the row's histogram
//   ChooseDigit      the digit in which the bound lies; CountDigits and this four times
//   CountSelected    for each part the candidates below the bound, and those equal to it
//   WriteSelected    the indices of a row, ascending: a part knows its place from the counts of the
//                    parts before it
// Without keys the first candidates are selected, and the launches for the digits are left out.
//
// All sums are of integers, so they do not depend on the order in which blocks and threads add.
//
// A source says what the candidates are:
//   // False: the keys of all candidates are 0.
//   static constexpr bool kHasKeys;
//   // The entries of `row`, fewer than 2^32.
//   RCNN_HOST_DEVICE int64_t Entries(int64_t row) const;
//   // Whether entry i of `row` is a candidate, and its key; a smaller key comes first.
//   RCNN_HOST_DEVICE bool Load(int64_t row, int64_t i, uint32_t* key) const;
//   // How many are wanted; may read what an earlier kernel wrote.
//   RCNN_HOST_DEVICE int64_t Limit(int64_t row) const;
// Load is called six times for each entry, without keys twice; stored_keys.h is for sources that
// compute much there.

#ifndef RCNN_OPS_KERNELS_SELECT_SMALLEST_H_
#define RCNN_OPS_KERNELS_SELECT_SMALLEST_H_

#include <cstdint>

#include "rcnn/ops/kernels/kernel.h"

namespace rcnn::ops {

// A grid over the entries of rows: a block for each part of kEntries entries of each row.
struct RowParts {
  static constexpr int kThreads = 256;
  static constexpr int64_t kEntries = 2048;

  RCNN_HOST_DEVICE int64_t Parts() const {
    return Greater<int64_t>(CeilDivide(longest, kEntries), 1);
  }
  int64_t Blocks() const { return rows * Parts(); }
  RCNN_HOST_DEVICE int64_t Row(int64_t block) const { return Divide32(block, Parts()); }
  RCNN_HOST_DEVICE int64_t Part(int64_t block) const { return Modulo32(block, Parts()); }
  RCNN_HOST_DEVICE int64_t First(int64_t block) const { return Part(block) * kEntries; }

  // Calls body(i) for a thread's entries of its part, of a row with `entries`. Threads next to each
  // other have entries next to each other.
  template <typename Body>
  RCNN_HOST_DEVICE void ForEntries(const Place& place, int64_t entries, const Body& body) const {
    const int64_t first = First(place.block);
    const int64_t end = Lesser(first + kEntries, entries);
    for (int64_t i = first + place.thread; i < end; i += kThreads) body(i);
  }

  int64_t rows;
  int64_t longest;  // entries of a row, at most
};

// What is known of the bound of a row: its first digits, and how many of the candidates that begin
// with them are selected.
struct SelectBound {
  uint32_t key;
  int64_t ties;
  bool is_known;  // without further digits, because all candidates are selected, or none
};

// Candidates below the bound, and equal to it.
struct SelectCount {
  RCNN_HOST_DEVICE SelectCount operator+(const SelectCount& other) const {
    return {below + other.below, equal + other.equal};
  }

  uint32_t below;
  uint32_t equal;
};

enum class SelectKind : uint8_t { kNotSelected, kBelow, kEqual };

constexpr int kSelectDigitBits = 8;
constexpr int kSelectDigits = 32 / kSelectDigitBits;
constexpr int kSelectBins = 1 << kSelectDigitBits;
// More than the entries of a row.
constexpr int64_t kAllTies = int64_t{1} << 32;

// Arrays of SelectSmallest.
struct SelectScratch {
  uint32_t* histogram;  // [rows, kSelectBins]
  SelectBound* bounds;  // [rows]
  SelectCount* counts;  // [rows, parts]
};

// The result.
struct SelectedRows {
  int64_t capacity;  // of `indices`, per row; limits beyond it are cut
  int64_t* indices;  // [rows, capacity], ascending; 0 beyond the count
  int64_t* counts;   // [rows]
};

// Fills in `scratch`. Its arrays come from arrays.Add(T** pointer, int64_t count), which sets
// *pointer before they are used.
template <typename Arrays>
void PlanSelection(const RowParts& parts, Arrays& arrays, SelectScratch* scratch) {
  arrays.Add(&scratch->histogram, parts.rows * kSelectBins);
  arrays.Add(&scratch->bounds, parts.rows);
  arrays.Add(&scratch->counts, parts.Blocks());
}

// The arguments of all kernels.
template <typename Source>
struct SelectWork {
  Source source;
  RowParts parts;
  SelectedRows selected;
  SelectScratch scratch;

  RCNN_HOST_DEVICE uint32_t* Histogram(int64_t row) const {
    return scratch.histogram + row * kSelectBins;
  }
  // Of an entry, once the bound of its row is known.
  RCNN_HOST_DEVICE SelectKind Kind(int64_t row, int64_t i, const SelectBound& bound) const {
    uint32_t key;
    if (!source.Load(row, i, &key) || key > bound.key) return SelectKind::kNotSelected;
    return key < bound.key ? SelectKind::kBelow : SelectKind::kEqual;
  }
};

// Bin i % kSelectBins of row i / kSelectBins, and the bound of the row.
template <typename Source>
struct BeginSelection {
  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    work.scratch.histogram[i] = 0;
    if (i % kSelectBins != 0) return;
    const int64_t row = i / kSelectBins;
    const int64_t limit = Clamped<int64_t>(work.source.Limit(row), 0, work.selected.capacity);
    work.scratch.bounds[row] = {0, limit, !Source::kHasKeys || limit == 0};
  }

  SelectWork<Source> work;
};

// A part's share of the histogram of digit `digit`, 0 for the highest bits.
template <typename Source>
struct CountDigitsKernel {
  static constexpr int kThreads = RowParts::kThreads;
  static_assert(kThreads == kSelectBins);
  struct Shared {
    uint32_t histogram[kSelectBins];
  };
  using Private = None;

  int64_t Blocks() const { return work.parts.Blocks(); }
  RCNN_HOST_DEVICE int64_t Phases(int64_t block) const {
    const int64_t row = work.parts.Row(block);
    const bool is_empty = work.parts.First(block) >= work.source.Entries(row);
    return is_empty || work.scratch.bounds[row].is_known ? 0 : 3;
  }

  RCNN_HOST_DEVICE void Run(int64_t phase, const Place& place, Shared& shared, None&) const {
    if (phase == 0) {
      shared.histogram[place.thread] = 0;
    } else if (phase == 1) {
      Count(place, shared);
    } else if (shared.histogram[place.thread] > 0) {
      AtomicAdd(work.Histogram(work.parts.Row(place.block)) + place.thread,
                shared.histogram[place.thread]);
    }
  }

  RCNN_HOST_DEVICE void Count(const Place& place, Shared& shared) const {
    const int64_t row = work.parts.Row(place.block);
    const uint32_t digits = work.scratch.bounds[row].key;
    const int shift = kSelectDigitBits * (kSelectDigits - 1 - digit);
    work.parts.ForEntries(place, work.source.Entries(row), [&](int64_t i) {
      uint32_t key;
      if (!work.source.Load(row, i, &key)) return;
      // Two shifts, as one by all 32 bits is undefined.
      if (key >> shift >> kSelectDigitBits != digits) return;
      AtomicAdd(&shared.histogram[key >> shift & (kSelectBins - 1)], 1);
    });
  }

  SelectWork<Source> work;
  int digit;
};

// Steps of a scan over 256 values, one for each thread.
constexpr int64_t kScanSteps = 8;

// A step, from 0 on, of the sums up to each value. Values are in sums[0], and the sums afterwards
// in sums[kScanSteps % 2].
template <typename T>
RCNN_HOST_DEVICE void ScanStep(int64_t step, int thread, T (&sums)[2][1 << kScanSteps]) {
  const T* from = sums[step % 2];
  const int distance = 1 << step;
  sums[(step + 1) % 2][thread] =
      thread >= distance ? from[thread - distance] + from[thread] : from[thread];
}

// A block: the next digit of the bound of a row, from its histogram, which is cleared.
template <typename Source>
struct ChooseDigitKernel {
  static constexpr int kThreads = kSelectBins;
  struct Shared {
    SelectBound bound;  // before this digit
    uint32_t up_to[2][kSelectBins];
  };
  using Private = None;

  int64_t Blocks() const { return work.parts.rows; }
  RCNN_HOST_DEVICE int64_t Phases(int64_t row) const {
    return work.scratch.bounds[row].is_known ? 0 : 2 + kScanSteps;
  }

  RCNN_HOST_DEVICE void Run(int64_t phase, const Place& place, Shared& shared, None&) const {
    const int64_t row = place.block;
    if (phase == 0) {
      uint32_t* bin = work.Histogram(row) + place.thread;
      shared.up_to[0][place.thread] = *bin;
      *bin = 0;
      if (place.thread == 0) shared.bound = work.scratch.bounds[row];
    } else if (phase <= kScanSteps) {
      ScanStep(phase - 1, place.thread, shared.up_to);
    } else {
      Choose(row, place.thread, shared);
    }
  }

  // Whether the bound lies in bin `bin`; one thread finds that it does, or the last one that there
  // are fewer candidates than wanted.
  RCNN_HOST_DEVICE void Choose(int64_t row, int bin, const Shared& shared) const {
    const uint32_t* up_to = shared.up_to[kScanSteps % 2];
    const int64_t before = bin == 0 ? 0 : up_to[bin - 1];
    const int64_t wanted = shared.bound.ties;
    if (before < wanted && wanted <= up_to[bin]) {
      const uint32_t digits = shared.bound.key << kSelectDigitBits | static_cast<uint32_t>(bin);
      work.scratch.bounds[row] = {digits, wanted - before, false};
    } else if (bin == kSelectBins - 1 && up_to[bin] < wanted) {
      work.scratch.bounds[row] = {~uint32_t{0}, kAllTies, true};
    }
  }

  SelectWork<Source> work;
};

// The counts of a part.
template <typename Source>
struct CountSelectedKernel {
  static constexpr int kThreads = RowParts::kThreads;
  struct Shared {
    SelectCount count;
  };
  using Private = None;

  int64_t Blocks() const { return work.parts.Blocks(); }
  RCNN_HOST_DEVICE int64_t Phases(int64_t /*block*/) const { return 3; }

  RCNN_HOST_DEVICE void Run(int64_t phase, const Place& place, Shared& shared, None&) const {
    if (phase == 0) {
      if (place.thread == 0) shared.count = {0, 0};
    } else if (phase == 1) {
      Count(place, shared);
    } else if (place.thread == 0) {
      work.scratch.counts[place.block] = shared.count;
    }
  }

  RCNN_HOST_DEVICE void Count(const Place& place, Shared& shared) const {
    const int64_t row = work.parts.Row(place.block);
    const SelectBound bound = work.scratch.bounds[row];
    uint32_t below = 0, equal = 0;
    work.parts.ForEntries(place, work.source.Entries(row), [&](int64_t i) {
      const SelectKind kind = work.Kind(row, i, bound);
      below += kind == SelectKind::kBelow ? 1 : 0;
      equal += kind == SelectKind::kEqual ? 1 : 0;
    });
    if (below > 0) AtomicAdd(&shared.count.below, below);
    if (equal > 0) AtomicAdd(&shared.count.equal, equal);
  }

  SelectWork<Source> work;
};

// The selected indices of a part; the last part of a row also writes its count and what is beyond.
template <typename Source>
struct WriteSelectedKernel {
  static constexpr int kThreads = RowParts::kThreads;
  static_assert(kThreads == 1 << kScanSteps);
  // Entries of a thread, next to each other.
  static constexpr int64_t kShare = RowParts::kEntries / kThreads;
  struct Shared {
    SelectKind kind[RowParts::kEntries];
    SelectCount before;  // of earlier parts
    SelectCount up_to[2][kThreads];
  };
  using Private = None;

  int64_t Blocks() const { return work.parts.Blocks(); }
  RCNN_HOST_DEVICE bool IsLast(int64_t block) const {
    return work.parts.Part(block) == work.parts.Parts() - 1;
  }
  RCNN_HOST_DEVICE int64_t Phases(int64_t block) const {
    const bool is_empty = work.parts.First(block) >= work.source.Entries(work.parts.Row(block));
    return is_empty && !IsLast(block) ? 0 : 3 + kScanSteps;
  }

  RCNN_HOST_DEVICE void Run(int64_t phase, const Place& place, Shared& shared, None&) const {
    if (phase == 0) {
      LoadKinds(place, shared);
      if (place.thread == 0) shared.before = {0, 0};
    } else if (phase == 1) {
      CountBefore(place, shared);
      shared.up_to[0][place.thread] = CountShare(place.thread, shared);
    } else if (phase < 2 + kScanSteps) {
      ScanStep(phase - 2, place.thread, shared.up_to);
    } else {
      Write(place, shared);
      if (IsLast(place.block)) Finish(place, shared);
    }
  }

  RCNN_HOST_DEVICE void LoadKinds(const Place& place, Shared& shared) const {
    const int64_t row = work.parts.Row(place.block), first = work.parts.First(place.block);
    const int64_t entries = work.source.Entries(row);
    const SelectBound bound = work.scratch.bounds[row];
    for (int64_t i = place.thread; i < RowParts::kEntries; i += kThreads) {
      shared.kind[i] =
          first + i < entries ? work.Kind(row, first + i, bound) : SelectKind::kNotSelected;
    }
  }

  RCNN_HOST_DEVICE void CountBefore(const Place& place, Shared& shared) const {
    const int64_t part = work.parts.Part(place.block);
    const SelectCount* counts = work.scratch.counts + (place.block - part);
    SelectCount count = {0, 0};
    for (int64_t i = place.thread; i < part; i += kThreads) count = count + counts[i];
    if (count.below > 0) AtomicAdd(&shared.before.below, count.below);
    if (count.equal > 0) AtomicAdd(&shared.before.equal, count.equal);
  }

  RCNN_HOST_DEVICE static SelectCount CountShare(int thread, const Shared& shared) {
    SelectCount count = {0, 0};
    for (int64_t i = thread * kShare; i < (thread + 1) * kShare; ++i) {
      count.below += shared.kind[i] == SelectKind::kBelow ? 1 : 0;
      count.equal += shared.kind[i] == SelectKind::kEqual ? 1 : 0;
    }
    return count;
  }

  // The row's candidates in earlier parts and in the shares of the first `threads` threads.
  RCNN_HOST_DEVICE static SelectCount CountUpTo(int threads, const Shared& shared) {
    if (threads == 0) return shared.before;
    return shared.before + shared.up_to[kScanSteps % 2][threads - 1];
  }

  RCNN_HOST_DEVICE void Write(const Place& place, const Shared& shared) const {
    const int64_t row = work.parts.Row(place.block), first = work.parts.First(place.block);
    const int64_t ties = work.scratch.bounds[row].ties;
    int64_t* to = work.selected.indices + row * work.selected.capacity;
    SelectCount before = CountUpTo(place.thread, shared);
    for (int64_t i = place.thread * kShare; i < (place.thread + 1) * kShare; ++i) {
      const SelectKind kind = shared.kind[i];
      if (kind == SelectKind::kNotSelected) continue;
      const bool is_below = kind == SelectKind::kBelow;
      if (is_below || before.equal < ties) {
        to[before.below + Lesser<int64_t>(before.equal, ties)] = first + i;
      }
      ++(is_below ? before.below : before.equal);
    }
  }

  RCNN_HOST_DEVICE void Finish(const Place& place, const Shared& shared) const {
    const int64_t row = work.parts.Row(place.block);
    const SelectCount all = CountUpTo(kThreads, shared);
    const int64_t count = all.below + Lesser<int64_t>(all.equal, work.scratch.bounds[row].ties);
    for (int64_t i = count + place.thread; i < work.selected.capacity; i += kThreads) {
      work.selected.indices[row * work.selected.capacity + i] = 0;
    }
    if (place.thread == 0) work.selected.counts[row] = count;
  }

  SelectWork<Source> work;
};

// Selects from each row of `parts`.
template <typename Launch, typename Source>
void SelectSmallest(Launch& launch, const RowParts& parts, const Source& source,
                    const SelectedRows& selected, const SelectScratch& scratch) {
  const SelectWork<Source> work = {source, parts, selected, scratch};
  LaunchForEach(launch, parts.rows * kSelectBins, BeginSelection<Source>{work});
  if constexpr (Source::kHasKeys) {
    for (int digit = 0; digit < kSelectDigits; ++digit) {
      launch(CountDigitsKernel<Source>{work, digit});
      launch(ChooseDigitKernel<Source>{work});
    }
  }
  launch(CountSelectedKernel<Source>{work});
  launch(WriteSelectedKernel<Source>{work});
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_SELECT_SMALLEST_H_

// For each row of candidates, the ones with the smallest keys, equal keys by index: the top k of
// scores, or a random sample where keys are random.
//
// A block finds a row's selection. Key and index together are a number of 64 bits, different for
// each candidate. Eight passes, each of which finds the next digit of 8 bits, find the limit-th
// smallest number:
//   clear    a histogram of the next digit
//   count    candidates whose higher digits are those of the wanted number
//   choose   the digit in which the wanted number lies
// Then each thread counts the selected candidates of its share, a scan over the threads gives each
// its place, and it writes them: ascending by index.
//
// Counters are integers, whose sums do not depend on the order.
//
// A source says what the candidates are:
//   // The entries of `row`, fewer than 2^32.
//   RCNN_HOST_DEVICE int64_t Entries(int64_t row) const;
//   // Whether entry i of `row` is a candidate, and its key; a smaller key comes first.
//   RCNN_HOST_DEVICE bool Load(int64_t row, int64_t i, uint32_t* key) const;
//   // How many are wanted; may read what an earlier kernel wrote.
//   RCNN_HOST_DEVICE int64_t Limit(int64_t row) const;
//
// R rows of N entries: 10 R N keys read, from the cache after the first pass; 36 phases.

#ifndef RCNN_OPS_KERNELS_SELECT_SMALLEST_H_
#define RCNN_OPS_KERNELS_SELECT_SMALLEST_H_

#include <cstdint>

#include "rcnn/ops/kernels/kernel.h"

namespace rcnn::ops {

template <typename Source>
struct SelectSmallestKernel {
  static constexpr int kThreads = 1024;
  static constexpr int64_t kScanPhases = 10;  // log2(kThreads)
  static constexpr int64_t kDigitBits = 8;
  static constexpr int64_t kDigits = 64 / kDigitBits;
  static constexpr int64_t kBins = 1 << kDigitBits;
  static constexpr int64_t kCountPhase = 3 * kDigits;
  static constexpr int64_t kWritePhase = kCountPhase + 1 + kScanPhases;

  // What is known of the limit-th smallest number: its first digits, and how many of the numbers
  // that share them come up to it.
  struct Search {
    uint64_t digits;
    int64_t rank;     // >= 1 while wanted
    bool takes_all;   // fewer candidates than wanted
    bool takes_none;  // none wanted
  };
  struct Shared {
    Search search[2];  // before and after a pass
    uint32_t histogram[kBins];
    uint32_t scan[2][kThreads];
  };
  struct Private {
    uint32_t count;
  };

  int64_t Blocks() const { return rows; }
  RCNN_HOST_DEVICE int64_t Phases(int64_t /*row*/) const { return kWritePhase + 1; }

  RCNN_HOST_DEVICE void Run(int64_t phase, const Place& place, Shared& shared,
                            Private& mine) const {
    const int64_t row = place.block;
    if (phase < kCountPhase) {
      const int64_t digit = phase / 3;
      if (phase % 3 == 0) {
        Clear(row, digit, place.thread, shared);
      } else if (phase % 3 == 1) {
        Count(row, digit, place.thread, shared);
      } else if (place.thread < kBins) {
        Choose(digit, place.thread, shared);
      }
    } else if (phase == kCountPhase) {
      mine.count = 0;
      ForSelected(row, place.thread, shared.search[kDigits % 2],
                  [&mine](int64_t /*i*/) { ++mine.count; });
      shared.scan[0][place.thread] = mine.count;
    } else if (phase < kWritePhase) {
      Scan(phase - kCountPhase - 1, place.thread, shared);
    } else {
      Write(row, place.thread, shared, mine);
    }
  }

  RCNN_HOST_DEVICE void Clear(int64_t row, int64_t digit, int thread, Shared& shared) const {
    if (thread < kBins) shared.histogram[thread] = 0;
    if (digit > 0 || thread > 0) return;
    const int64_t limit = Lesser(source.Limit(row), capacity);
    shared.search[0] = {0, limit, false, limit <= 0};
  }

  // The candidate's number, or false if it is none.
  RCNN_HOST_DEVICE bool Number(int64_t row, int64_t i, uint64_t* number) const {
    uint32_t key;
    if (!source.Load(row, i, &key)) return false;
    *number = static_cast<uint64_t>(key) << 32 | static_cast<uint32_t>(i);
    return true;
  }

  RCNN_HOST_DEVICE void Count(int64_t row, int64_t digit, int thread, Shared& shared) const {
    const Search search = shared.search[digit % 2];
    if (search.takes_all || search.takes_none) return;
    const int64_t below = 64 - kDigitBits * (digit + 1);
    const int64_t entries = source.Entries(row);
    for (int64_t i = thread; i < entries; i += kThreads) {
      uint64_t number;
      if (!Number(row, i, &number)) continue;
      // The digits so far; a shift by all 64 bits is undefined.
      const uint64_t above = digit == 0 ? 0 : number >> below >> kDigitBits;
      if (above != search.digits) continue;
      AtomicAdd(&shared.histogram[number >> below & (kBins - 1)], 1);
    }
  }

  // Thread b: whether the wanted number is in bin b.
  RCNN_HOST_DEVICE static void Choose(int64_t digit, int bin, Shared& shared) {
    const Search search = shared.search[digit % 2];
    Search& next = shared.search[(digit + 1) % 2];
    if (search.takes_all || search.takes_none) {
      if (bin == 0) next = search;
      return;
    }
    int64_t before = 0;
    for (int i = 0; i < bin; ++i) before += shared.histogram[i];
    const int64_t up_to = before + shared.histogram[bin];
    if (before < search.rank && search.rank <= up_to) {
      next = {search.digits << kDigitBits | static_cast<uint64_t>(bin), search.rank - before, false,
              false};
    } else if (bin == kBins - 1 && up_to < search.rank) {
      next = {0, 0, true, false};
    }
  }

  // Calls visit(i) for the selected entries of a thread's share, in order.
  template <typename Visit>
  RCNN_HOST_DEVICE void ForSelected(int64_t row, int thread, const Search& search,
                                    const Visit& visit) const {
    if (search.takes_none) return;
    const int64_t entries = source.Entries(row);
    const int64_t share = CeilDivide(entries, kThreads);
    const int64_t end = Lesser((thread + 1) * share, entries);
    for (int64_t i = thread * share; i < end; ++i) {
      uint64_t number;
      if (!Number(row, i, &number)) continue;
      if (search.takes_all || number <= search.digits) visit(i);
    }
  }

  RCNN_HOST_DEVICE static void Scan(int64_t step, int thread, Shared& shared) {
    const uint32_t* from = shared.scan[step % 2];
    const int distance = 1 << step;
    shared.scan[(step + 1) % 2][thread] =
        from[thread] + (thread >= distance ? from[thread - distance] : 0);
  }

  RCNN_HOST_DEVICE void Write(int64_t row, int thread, const Shared& shared,
                              const Private& mine) const {
    const uint32_t* up_to = shared.scan[kScanPhases % 2];
    int64_t* to = selected + row * capacity;
    int64_t place = up_to[thread] - mine.count;
    ForSelected(row, thread, shared.search[kDigits % 2],
                [&place, to](int64_t i) { to[place++] = i; });
    const int64_t total = up_to[kThreads - 1];
    for (int64_t i = total + thread; i < capacity; i += kThreads) to[i] = 0;
    if (thread == 0) counts[row] = total;
  }

  Source source;
  int64_t rows;
  int64_t capacity;   // of `selected`, per row; limits beyond it are cut
  int64_t* selected;  // [rows, capacity], ascending; 0 beyond the count
  int64_t* counts;    // [rows]
};

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_SELECT_SMALLEST_H_

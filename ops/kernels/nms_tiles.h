// Greedy non-maximum suppression of any number of boxes, for many rows of boxes at once: the
// result of nms.h and batched_nms.h, index by index.
//
// A row is one problem: the boxes of an image, or of one level of one image. Its candidates
// are sorted by score and then worked off in slabs of kSlab candidates. For each slab:
//
//   CompareWithKept   which candidates a box kept from earlier slabs suppresses; one word of
//                     64 bits for each 64 candidates and each chunk of kept boxes
//   CompareInSlab     bit c of mask[r][w] is set when candidate r suppresses candidate
//                     64 w + c > r of the same slab; tiles of 64 x 64 pairs
//   KeepGreedily      one block walks the slab 64 candidates at a time: one thread decides
//                     them by the tile on the diagonal, then all threads add the masks of
//                     those kept to the words of later candidates
//
// The next slab reads the kept boxes and their number from the device's memory: nothing goes
// to the host, and the number of launches depends on the capacity alone.
//
// Invariant: when a tile is decided, the bits of its candidates say whether any earlier kept
// one suppresses them. So the decisions are those of the plain double loop.
//
// Why it is fast: a pair is compared at most once, in parallel, and the serial part is 64 short
// steps per 64 candidates. The whole of 12,000 candidates is one slab: 72 million pairs of 15
// operations and a division, 18 MB of masks, of which the walk reads the rows of kept boxes.
//
// Source: the bitmask of tiles is that of py-faster-rcnn's GPU code (Ren et al.,
// arXiv:1506.01497); slabs and the walk on the device are rcnn's own.

#ifndef RCNN_OPS_KERNELS_NMS_TILES_H_
#define RCNN_OPS_KERNELS_NMS_TILES_H_

#include <cstdint>

#include "rcnn/ops/kernels/box_overlap.h"
#include "rcnn/ops/kernels/kernel.h"
#include "rcnn/ops/kernels/merge_sort.h"
#include "rcnn/ops/kernels/suppression.h"

namespace rcnn::ops {

// Candidates in a word of a bitmask.
constexpr int64_t kWordBits = 64;

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
  uint64_t* mask;          // [rows, SlabRows(), SlabWords()]

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

// A block: 64 candidates of the slab that begins at `begin` against a chunk of kept boxes.
template <typename Work, typename T>
struct CompareWithKeptKernel {
  static constexpr int kThreads = kWordBits;
  static constexpr int64_t kTile = kThreads;
  struct Shared {
    AreaBox<T> kept[kTile];
    int64_t group[kTile];
    bool is_suppressed[kThreads];
  };
  using Private = None;

  RCNN_HOST_DEVICE int64_t Chunks() const { return work.ChunksBefore(begin); }
  int64_t Blocks() const { return work.rows * Chunks() * work.SlabWords(); }
  RCNN_HOST_DEVICE int64_t Row(int64_t block) const {
    return block / (Chunks() * work.SlabWords());
  }
  RCNN_HOST_DEVICE int64_t Chunk(int64_t block) const {
    return block / work.SlabWords() % Chunks();
  }
  // The kept boxes of the block's chunk.
  RCNN_HOST_DEVICE int64_t First(int64_t block) const { return Chunk(block) * Work::kChunk; }
  RCNN_HOST_DEVICE int64_t NumKept(int64_t block) const {
    const int64_t rest = work.kept_count[Row(block)] - First(block);
    return Clamped<int64_t>(rest, 0, Work::kChunk);
  }
  // Tiles of kept boxes are loaded in even phases and compared in odd ones; then the word is
  // written.
  RCNN_HOST_DEVICE int64_t Phases(int64_t block) const {
    return 2 * CeilDivide(NumKept(block), kTile) + 1;
  }

  RCNN_HOST_DEVICE void Run(int64_t phase, const Place& place, Shared& shared, None&) const {
    const int64_t row = Row(place.block);
    const int64_t word = place.block % work.SlabWords();
    const int64_t num_kept = NumKept(place.block);
    const int64_t first = phase / 2 * kTile;
    const int64_t count = Lesser(kTile, num_kept - first);
    if (phase == 0) shared.is_suppressed[place.thread] = false;
    if (phase == 2 * CeilDivide(num_kept, kTile)) {
      if (place.thread != 0) return;
      const int64_t to = (row * work.Chunks() + Chunk(place.block)) * work.SlabWords() + word;
      work.suppressed[to] = num_kept > 0 ? Word(shared) : 0;
    } else if (phase % 2 == 0) {
      if (place.thread >= count) return;
      const int64_t from = row * work.KeptCapacity() + First(place.block) + first + place.thread;
      shared.kept[place.thread] = work.kept_boxes[from];
      shared.group[place.thread] = work.groups == nullptr ? 0 : work.kept_group[from];
    } else {
      const int64_t candidate = begin + word * kWordBits + place.thread;
      if (candidate >= work.Count(row) || shared.is_suppressed[place.thread]) return;
      const int64_t from = row * work.capacity + candidate;
      const AreaBox<T> box = work.sorted[from];
      const int64_t group = work.groups == nullptr ? 0 : work.sorted_group[from];
      for (int64_t i = 0; i < count; ++i) {
        if (work.Suppress(shared.kept[i], shared.group[i], box, group)) {
          shared.is_suppressed[place.thread] = true;
          return;
        }
      }
    }
  }

  RCNN_HOST_DEVICE static uint64_t Word(const Shared& shared) {
    uint64_t word = 0;
    for (int64_t i = 0; i < kWordBits; ++i) {
      word |= static_cast<uint64_t>(shared.is_suppressed[i]) << i;
    }
    return word;
  }

  Work work;
  int64_t begin;
};

// A block: the pairs of 64 candidates with 64 others of the same slab. Tiles below the diagonal,
// and those of candidates that do not count, are not computed, and not read.
template <typename Work, typename T>
struct CompareInSlabKernel {
  static constexpr int kThreads = kWordBits;
  struct Shared {
    AreaBox<T> columns[kWordBits];
    int64_t group[kWordBits];
  };
  using Private = None;

  int64_t Blocks() const { return work.rows * work.SlabWords() * work.SlabWords(); }
  RCNN_HOST_DEVICE int64_t TileRow(int64_t block) const {
    return block / work.SlabWords() % work.SlabWords();
  }
  RCNN_HOST_DEVICE int64_t TileColumn(int64_t block) const { return block % work.SlabWords(); }
  RCNN_HOST_DEVICE int64_t Row(int64_t block) const {
    return block / (work.SlabWords() * work.SlabWords());
  }
  RCNN_HOST_DEVICE int64_t FirstColumn(int64_t block) const {
    return begin + TileColumn(block) * kWordBits;
  }
  RCNN_HOST_DEVICE int64_t Phases(int64_t block) const {
    if (TileRow(block) > TileColumn(block)) return 0;
    return FirstColumn(block) < work.Count(Row(block)) ? 2 : 0;
  }

  RCNN_HOST_DEVICE void Run(int64_t phase, const Place& place, Shared& shared, None&) const {
    const int64_t row = Row(place.block);
    const int64_t first_column = FirstColumn(place.block);
    const int64_t columns = Lesser(kWordBits, work.Count(row) - first_column);
    if (phase == 0) {
      if (place.thread >= columns) return;
      const int64_t from = row * work.capacity + first_column + place.thread;
      shared.columns[place.thread] = work.sorted[from];
      shared.group[place.thread] = work.groups == nullptr ? 0 : work.sorted_group[from];
      return;
    }
    const int64_t in_slab = TileRow(place.block) * kWordBits + place.thread;
    const int64_t candidate = begin + in_slab;
    if (candidate >= work.Count(row)) return;
    const int64_t from = row * work.capacity + candidate;
    const AreaBox<T> box = work.sorted[from];
    const int64_t group = work.groups == nullptr ? 0 : work.sorted_group[from];
    uint64_t bits = 0;
    for (int64_t i = 0; i < columns; ++i) {
      const bool is_later = first_column + i > candidate;
      if (is_later && work.Suppress(box, group, shared.columns[i], shared.group[i])) {
        bits |= uint64_t{1} << i;
      }
    }
    work.mask[(row * work.SlabRows() + in_slab) * work.SlabWords() + TileColumn(place.block)] =
        bits;
  }

  Work work;
  int64_t begin;
};

// A block: the whole slab of a row.
template <typename Work, typename T>
struct KeepGreedilyKernel {
  static constexpr int64_t kWords = Work::kSlabWords;
  // Each word of later candidates has kGroups threads, each of which adds 64 / kGroups masks.
  static constexpr int64_t kGroups = kWords >= 256 ? 4 : 16;
  static constexpr int kThreads = 1024;
  struct Shared {
    uint64_t removed[kGroups][kWords];
    uint64_t diagonal[kWordBits];  // the tile's own masks
    uint64_t keep;                 // of the tile that was decided last
    int64_t kept;                  // before that tile
    int64_t next_kept;             // after it
  };
  using Private = None;

  int64_t Blocks() const { return work.rows; }
  // A phase to begin, and two for each 64 candidates that count.
  RCNN_HOST_DEVICE int64_t Tiles(int64_t row) const {
    const int64_t count = Lesser(work.Count(row) - begin, work.SlabRows());
    return count <= 0 ? 0 : CeilDivide(count, kWordBits);
  }
  RCNN_HOST_DEVICE int64_t Phases(int64_t row) const {
    return Tiles(row) == 0 ? 0 : 1 + 2 * Tiles(row);
  }

  RCNN_HOST_DEVICE void Run(int64_t phase, const Place& place, Shared& shared, None&) const {
    const int64_t row = place.block;
    if (phase == 0) {
      Begin(row, place.thread, shared);
      LoadDiagonal(row, 0, place.thread, shared);
    } else if (phase % 2 == 1) {
      if (place.thread == 0) Decide(row, phase / 2, shared);
    } else {
      const int64_t tile = phase / 2 - 1;
      WriteKept(row, tile, place.thread, shared);
      if (tile + 1 == Tiles(row)) return;
      AddMasks(row, tile, place.thread, shared);
      LoadDiagonal(row, tile + 1, place.thread, shared);
    }
  }

  RCNN_HOST_DEVICE void Begin(int64_t row, int thread, Shared& shared) const {
    for (int64_t i = thread; i < kGroups * kWords; i += kThreads) {
      const int64_t group = i / kWords, word = i % kWords;
      uint64_t bits = 0;
      if (word < work.SlabWords()) {
        for (int64_t chunk = group; chunk < work.ChunksBefore(begin); chunk += kGroups) {
          bits |= work.suppressed[(row * work.Chunks() + chunk) * work.SlabWords() + word];
        }
      }
      shared.removed[group][word] = bits;
    }
    if (thread == 0) {
      shared.next_kept = work.kept_count[row];
    }
  }

  RCNN_HOST_DEVICE const uint64_t* Mask(int64_t row, int64_t candidate) const {
    return work.mask + (row * work.SlabRows() + candidate) * work.SlabWords();
  }

  RCNN_HOST_DEVICE void LoadDiagonal(int64_t row, int64_t tile, int thread, Shared& shared) const {
    if (thread >= kWordBits) return;
    const int64_t candidate = tile * kWordBits + thread;
    const bool counts = begin + candidate < work.Count(row);
    shared.diagonal[thread] = counts ? Mask(row, candidate)[tile] : 0;
  }

  // One thread: the 64 candidates of a tile, best first.
  RCNN_HOST_DEVICE void Decide(int64_t row, int64_t tile, Shared& shared) const {
    uint64_t removed = 0;
    for (int64_t group = 0; group < kGroups; ++group) removed |= shared.removed[group][tile];
    const int64_t count = Lesser(kWordBits, work.Count(row) - begin - tile * kWordBits);
    int64_t kept = shared.next_kept;
    uint64_t keep = 0;
    for (int64_t i = 0; i < count && kept < work.KeptCapacity(); ++i) {
      if ((removed >> i & 1) != 0) continue;
      keep |= uint64_t{1} << i;
      removed |= shared.diagonal[i];
      ++kept;
    }
    shared.kept = shared.next_kept;
    shared.next_kept = kept;
    shared.keep = keep;
  }

  RCNN_HOST_DEVICE void WriteKept(int64_t row, int64_t tile, int thread, Shared& shared) const {
    if (thread == 0 && tile + 1 == Tiles(row)) work.kept_count[row] = shared.next_kept;
    if (thread >= kWordBits || (shared.keep >> thread & 1) == 0) return;
    int64_t before = 0;
    for (int i = 0; i < thread; ++i) before += shared.keep >> i & 1;
    const int64_t from = row * work.capacity + begin + tile * kWordBits + thread;
    const int64_t to = row * work.KeptCapacity() + shared.kept + before;
    work.kept[to] = entries[from].index;
    work.kept_boxes[to] = work.sorted[from];
    if (work.groups != nullptr) work.kept_group[to] = work.sorted_group[from];
  }

  RCNN_HOST_DEVICE void AddMasks(int64_t row, int64_t tile, int thread, Shared& shared) const {
    const int64_t tiles = Tiles(row);
    for (int64_t i = thread; i < kGroups * work.SlabWords(); i += kThreads) {
      const int64_t group = i / work.SlabWords(), word = i % work.SlabWords();
      if (word <= tile || word >= tiles) continue;
      uint64_t bits = shared.removed[group][word];
      for (int64_t j = group; j < kWordBits; j += kGroups) {
        if ((shared.keep >> j & 1) != 0) bits |= Mask(row, tile * kWordBits + j)[word];
      }
      shared.removed[group][word] = bits;
    }
  }

  Work work;
  int64_t begin;
  const Ranked* entries;
};

// Suppresses each row. Counts must not exceed the capacity.
template <typename Launch, typename T, int64_t kSlab>
void SuppressRows(Launch& launch, const NmsWork<T, kSlab>& work) {
  using Work = NmsWork<T, kSlab>;
  if (work.rows == 0 || work.KeptCapacity() == 0) return;
  const int64_t all = work.rows * work.capacity;
  LaunchForEach(launch, all, RankScore<T>{work.capacity, work.scores, work.counts, work.entries});
  const Ranked* sorted =
      SortRows(launch, work.rows, work.capacity, work.entries, work.sort_scratch);
  LaunchForEach(launch, all, GatherSorted<Work>{work, sorted});
  for (int64_t begin = 0; begin < work.capacity; begin += kSlab) {
    if (begin > 0) launch(CompareWithKeptKernel<Work, T>{work, begin});
    launch(CompareInSlabKernel<Work, T>{work, begin});
    launch(KeepGreedilyKernel<Work, T>{work, begin, sorted});
  }
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_NMS_TILES_H_

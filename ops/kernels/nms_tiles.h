// Greedy non-maximum suppression of any number of boxes, for many rows of boxes at once: the
// result of nms.h and batched_nms.h, index by index.
//
// A row is one problem: the boxes of an image, or of one level of one image. Its candidates
// are sorted by score and then worked off in slabs of kSlab candidates. For each slab:
//
//   CompareWithKept   which candidates a box kept from earlier slabs suppresses; one word of
//                     64 bits for each 64 candidates and each chunk of kept boxes
//   CompareInSlab     bit c of mask[r][w] is set when candidate r suppresses candidate
//                     64 w + c > r of the same slab; tiles of 64 x 64 pairs. Bit c of
//                     nonzero[t][w] is set when any bit of mask[64 t + c][w] is
//   KeepGreedily      one block walks the slab 64 candidates at a time: one thread decides
//                     them by the tile on the diagonal, while the others add the masks of
//                     those kept of the 64 before to the words of later candidates
//
// The next slab reads the kept boxes and their number from the device's memory: nothing goes
// to the host, and the number of launches depends on the capacity alone.
//
// Invariant: when a tile is decided, the bits of its candidates say whether any earlier kept
// one suppresses them. So the decisions are those of the plain double loop.
//
// Why it is fast: a pair is compared at most once, in parallel, and the serial part is a barrier
// and at most 64 steps of three instructions per 64 candidates, beside which loads and additions
// take no time of their own. Few boxes suppress others of a tile, and nearly all masks of tiles
// apart are 0: those are neither written nor read, and a tile in which no box suppresses another is
// decided without a step. The whole of 12,000 candidates is one slab: 72 million pairs of 16
// operations, of which few need a division, 141 kB of `nonzero`, and up to 9 MB of masks.
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
    return Divide32(block, Chunks() * work.SlabWords());
  }
  RCNN_HOST_DEVICE int64_t Chunk(int64_t block) const {
    return Modulo32(Divide32(block, work.SlabWords()), Chunks());
  }
  RCNN_HOST_DEVICE int64_t WordIndex(int64_t block) const {
    return Modulo32(block, work.SlabWords());
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
    const int64_t word = WordIndex(place.block);
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
  static constexpr int kHalfBits = 32;
  // Columns that are looked at before one of them is compared.
  static constexpr int kTogether = 8;
  struct Shared {
    alignas(16) T corners[kWordBits][4];  // one load for a GPU
    T area[kWordBits];
    int64_t group[kWordBits];
    uint32_t nonzero[kWordBits / kHalfBits];  // of the candidates
  };
  // Where the block is.
  struct Private {
    int64_t row;
    int tile;
    int column_tile;
    int columns;
  };

  int64_t Blocks() const { return work.rows * work.SlabWords() * work.SlabWords(); }
  RCNN_HOST_DEVICE Private Find(int64_t block) const {
    const int64_t tiles = work.SlabWords(), line = Divide32(block, tiles);
    Private place;
    place.row = Divide32(line, tiles);
    place.tile = static_cast<int>(line - place.row * tiles);
    place.column_tile = static_cast<int>(block - line * tiles);
    const int64_t columns = work.Count(place.row) - FirstColumn(place);
    place.columns = static_cast<int>(Clamped<int64_t>(columns, 0, kWordBits));
    return place;
  }
  RCNN_HOST_DEVICE int64_t FirstColumn(const Private& place) const {
    return begin + place.column_tile * kWordBits;
  }
  RCNN_HOST_DEVICE int64_t Phases(int64_t block) const {
    const Private place = Find(block);
    return place.tile <= place.column_tile && place.columns > 0 ? 3 : 0;
  }

  RCNN_HOST_DEVICE void Run(int64_t phase, const Place& place, Shared& shared,
                            Private& mine) const {
    if (phase == 0) {
      mine = Find(place.block);
      Load(place.thread, shared, mine);
    } else if (phase == 1) {
      Compare(place.thread, shared, mine);
    } else if (place.thread == 0) {
      const int64_t to = (mine.row * work.SlabWords() + mine.tile) * work.SlabWords();
      work.nonzero[to + mine.column_tile] =
          static_cast<uint64_t>(shared.nonzero[1]) << kHalfBits | shared.nonzero[0];
    }
  }

  // Places beyond the columns hold boxes without an area.
  RCNN_HOST_DEVICE void Load(int thread, Shared& shared, const Private& mine) const {
    if (thread % kHalfBits == 0) shared.nonzero[thread / kHalfBits] = 0;
    const bool is_there = thread < mine.columns;
    const int64_t from = mine.row * work.capacity + FirstColumn(mine) + thread;
    const AreaBox<T> box = is_there ? work.sorted[from] : AreaBox<T>{};
    T(&corners)[4] = shared.corners[thread];
    corners[0] = box.x1;
    corners[1] = box.y1;
    corners[2] = box.x2;
    corners[3] = box.y2;
    shared.area[thread] = box.area;
    if (is_there && work.groups != nullptr) shared.group[thread] = work.sorted_group[from];
  }

  RCNN_HOST_DEVICE static AreaBox<T> Column(int64_t i, const Shared& shared) {
    const T(&corners)[4] = shared.corners[i];
    return {corners[0], corners[1], corners[2], corners[3], shared.area[i]};
  }

  RCNN_HOST_DEVICE void Compare(int thread, Shared& shared, const Private& mine) const {
    const int64_t in_slab = mine.tile * kWordBits + thread, candidate = begin + in_slab;
    if (candidate >= work.Count(mine.row)) return;
    const int64_t from = mine.row * work.capacity + candidate;
    // Later candidates alone: on the diagonal those after this one.
    const uint64_t later = mine.tile == mine.column_tile ? ~uint64_t{1} << thread : ~uint64_t{0};
    uint64_t bits = SuppressedColumns(work.sorted[from], later & FirstBits(mine.columns), shared);
    if (work.groups != nullptr && bits != 0) {
      bits &= GroupBits(work.sorted_group[from], mine.columns, shared);
    }
    if (bits != 0) {
      AtomicAdd(&shared.nonzero[thread / kHalfBits], uint32_t{1} << thread % kHalfBits);
    }
    if (bits != 0 || mine.column_tile <= mine.tile + 1) {
      const int64_t to = (mine.row * work.SlabRows() + in_slab) * work.SlabWords();
      work.mask[to + mine.column_tile] = bits;
    }
  }

  // Of the columns of `wanted`. Few of them need more than a look.
  RCNN_HOST_DEVICE uint64_t SuppressedColumns(const AreaBox<T>& box, uint64_t wanted,
                                              const Shared& shared) const {
    uint64_t bits = 0;
    for (int first = 0; first < kWordBits && wanted >> first != 0; first += kTogether) {
      uint64_t possible = static_cast<uint64_t>(PossibleColumns(box, first, shared)) << first;
      for (possible &= wanted; possible != 0; possible &= possible - 1) {
        const int64_t i = LowestBit(possible);
        const bool is_suppressed = Suppresses(box, Column(i, shared), work.threshold, work.extra);
        bits |= static_cast<uint64_t>(is_suppressed) << i;
      }
    }
    return bits;
  }

  // Of the columns `first` to first + kTogether - 1, in the lowest bits.
  RCNN_HOST_DEVICE uint32_t PossibleColumns(const AreaBox<T>& box, int first,
                                            const Shared& shared) const {
    // No area suppresses where even an IoU of 0 does.
    if (work.threshold < 0) return (1u << kTogether) - 1;
    uint32_t bits = 0;
    RCNN_UNROLL
    for (int i = 0; i < kTogether; ++i) {
      if (MaySuppress(box, Column(first + i, shared), work.threshold, work.extra)) {
        bits |= uint32_t{1} << i;
      }
    }
    return bits;
  }

  // The columns of a group.
  RCNN_HOST_DEVICE static uint64_t GroupBits(int64_t group, int columns, const Shared& shared) {
    uint64_t bits = 0;
    for (int i = 0; i < columns; ++i) {
      bits |= static_cast<uint64_t>(shared.group[i] == group) << i;
    }
    return bits;
  }

  Work work;
  int64_t begin;
};

// A block: the whole slab of a row, tile by tile of 64 candidates. Phase 1 + t decides tile t; in
// the same phase the masks of the candidates that tile t - 1 has kept are added to the words of
// tiles t + 1 and later, and what tile t + 1 is decided by is loaded. What tile t - 1 suppresses in
// tile t cannot wait for that: the deciding thread has gathered it with the decision of tile t - 1.
//
// All threads take part in each phase, of which most have little to do: what a row is, is found
// once, and a phase computes with numbers of 32 bits.
template <typename Work, typename T>
struct KeepGreedilyKernel {
  static constexpr int kWords = static_cast<int>(Work::kSlabWords);
  static constexpr int kTileBits = static_cast<int>(kWordBits);
  static constexpr int kThreads = 512;
  // Thread 0 decides. The threads of its warp do nothing else, as it would wait for them.
  static constexpr int kWarp = 32;
  static constexpr int kHelpers = kThreads - kWarp;
  // Each word of later candidates has a thread of each group, which adds 64 / kGroups masks.
  static constexpr int kGroups = kWords >= 256 ? 2 : kWords >= 64 ? 8 : 16;
  static constexpr int kGroupMasks = kTileBits / kGroups;
  static constexpr int kGroupThreads = kHelpers / kGroups;
  // Masks that are loaded together.
  static constexpr int kTogether = kGroupMasks < 16 ? kGroupMasks : 16;
  // The helpers that load near masks, and those that write what is kept.
  static constexpr int kFirstOfNear = kHelpers - kTileBits;
  static constexpr int kFirstOfKept = kFirstOfNear - kTileBits;
  static_assert(kHelpers >= kWords && kFirstOfKept >= 0);
  // So many masks of a tile that are not 0 take a look-up each; more take 64 steps without a
  // branch, which are ten times faster.
  static constexpr int64_t kFew = 8;
  // Tiles whose words are in shared memory: those of a tile are read until the one after the next
  // is loaded.
  static constexpr int kLoadedTiles = 4;

  // What a candidate of a tile suppresses in its own tile and in the next one.
  struct NearMasks {
    uint64_t own;
    uint64_t next;
  };
  struct Decision {
    uint64_t keep;  // the tile's candidates that are kept
    int64_t kept;   // of earlier tiles
  };
  // Of tile t: index t % 2, or t % kLoadedTiles.
  struct Shared {
    uint64_t removed[kGroups][kWords];  // candidates that kept ones suppress, all groups together
    NearMasks near[2][kTileBits];
    uint64_t nonzero[kLoadedTiles][kWords];
    Decision decisions[2];
  };
  struct Private {
    // Of thread 0: what is known of the tile that it decides next.
    uint64_t removed;  // by the tile before
    int64_t kept;      // of earlier tiles
    // Of all threads: the row's.
    const uint64_t* mask;
    const uint64_t* nonzero;
    int words;
    int candidates;  // of the slab
    int tiles;
  };

  int64_t Blocks() const { return work.rows; }
  RCNN_HOST_DEVICE int64_t Candidates(int64_t row) const {
    return Clamped<int64_t>(work.Count(row) - begin, 0, work.SlabRows());
  }
  // One to begin, one for each tile, and one to end.
  RCNN_HOST_DEVICE int64_t Phases(int64_t row) const {
    const int64_t candidates = Candidates(row);
    return candidates == 0 ? 0 : 2 + CeilDivide(candidates, kWordBits);
  }

  RCNN_HOST_DEVICE void Run(int64_t phase, const Place& place, Shared& shared,
                            Private& mine) const {
    const int64_t row = place.block;
    const int tile = static_cast<int>(phase) - 1;
    if (phase == 0) Begin(row, place.thread, shared, mine);
    if (place.thread >= kWarp) {
      Help(row, tile, place.thread - kWarp, shared, mine);
    } else if (place.thread == 0 && phase > 0) {
      if (tile < mine.tiles) {
        Decide(tile, shared, mine);
      } else {
        work.kept_count[row] = Lesser(mine.kept, work.KeptCapacity());
      }
    }
  }

  RCNN_HOST_DEVICE void Begin(int64_t row, int thread, Shared& shared, Private& mine) const {
    mine.removed = 0;
    mine.kept = work.kept_count[row];
    mine.mask = work.mask + row * work.SlabRows() * work.SlabWords();
    mine.nonzero = work.nonzero + row * work.SlabWords() * work.SlabWords();
    mine.words = static_cast<int>(work.SlabWords());
    mine.candidates = static_cast<int>(Candidates(row));
    mine.tiles = (mine.candidates + kTileBits - 1) / kTileBits;
    for (int i = thread; i < kGroups * kWords; i += kThreads) {
      const int group = i / kWords, word = i % kWords;
      uint64_t bits = 0;
      if (word < mine.words) {
        for (int64_t chunk = group; chunk < work.ChunksBefore(begin); chunk += kGroups) {
          bits |= work.suppressed[(row * work.Chunks() + chunk) * work.SlabWords() + word];
        }
      }
      shared.removed[group][word] = bits;
    }
  }

  // What is loaded is stored at the end: the masks that are added meanwhile do not wait for it.
  RCNN_HOST_DEVICE void Help(int64_t row, int tile, int helper, Shared& shared,
                             const Private& mine) const {
    const int next = tile + 1, word = next + helper;
    const bool loads_word = word < mine.tiles;
    const bool loads_near = helper >= kFirstOfNear && next < mine.tiles;
    const uint64_t nonzero = loads_word ? mine.nonzero[next * mine.words + word] : 0;
    NearMasks near = {0, 0};
    if (loads_near) near = LoadNear(next, helper - kFirstOfNear, mine);
    if (tile > 0) {
      const Decision& decision = shared.decisions[(tile - 1) % 2];
      if (decision.keep != 0) {
        WriteKept(row, tile - 1, helper - kFirstOfKept, decision);
        AddMasks(tile - 1, decision.keep, helper, shared, mine);
      }
    }
    if (loads_word) shared.nonzero[next % kLoadedTiles][word] = nonzero;
    if (loads_near) shared.near[next % 2][helper - kFirstOfNear] = near;
  }

  RCNN_HOST_DEVICE NearMasks LoadNear(int tile, int in_tile, const Private& mine) const {
    const int candidate = tile * kTileBits + in_tile;
    if (candidate >= mine.candidates) return {0, 0};
    const uint64_t* const mask = mine.mask + (candidate * mine.words + tile);
    return {mask[0], tile + 1 < mine.tiles ? mask[1] : 0};
  }

  // The candidates of a tile, best first: one that no kept one suppresses is kept. Beyond the
  // capacity they have no place, and no further tile keeps any.
  RCNN_HOST_DEVICE void Decide(int tile, Shared& shared, Private& mine) const {
    Decision& decision = shared.decisions[tile % 2];
    if (mine.kept >= work.KeptCapacity()) {
      decision = {0, mine.kept};
      return;
    }
    uint64_t removed = mine.removed, next = 0;
    for (int group = 0; group < kGroups; ++group) removed |= shared.removed[group][tile];
    const NearMasks* masks = shared.near[tile % 2];
    const uint64_t* nonzero = shared.nonzero[tile % kLoadedTiles];
    const uint64_t of_own = nonzero[tile] & ~removed;
    const uint64_t of_next = tile + 1 < mine.tiles ? nonzero[tile + 1] & ~removed : 0;
    if (CountBits(of_own) + CountBits(of_next) <= kFew) {
      AddFew(masks, of_own, of_next, removed, next);
    } else {
      AddAll(masks, removed, next);
    }
    decision = {~removed & FirstBits(mine.candidates - tile * kTileBits), mine.kept};
    mine.removed = next;
    mine.kept += CountBits(decision.keep);
  }

  // Adds what the kept ones suppress in the tile to `removed`, and in the next one to `next`. A bit
  // is not set after the step of its candidate, so the bits that are left out in the end are the
  // candidates that are kept.
  //
  // One candidate after the other of those whose masks are not 0.
  RCNN_HOST_DEVICE static void AddFew(const NearMasks* masks, uint64_t of_own, uint64_t of_next,
                                      uint64_t& removed, uint64_t& next) {
    while (of_own != 0) {
      removed |= masks[LowestBit(of_own)].own;
      of_own &= (of_own - 1) & ~removed;
    }
    for (of_next &= ~removed; of_next != 0; of_next &= of_next - 1) {
      next |= masks[LowestBit(of_next)].next;
    }
  }

  // All candidates. Each step needs the bits of the one before, and has no branch.
  RCNN_HOST_DEVICE static void AddAll(const NearMasks* masks, uint64_t& removed, uint64_t& next) {
    RCNN_UNROLL
    for (int i = 0; i < kTileBits; ++i) {
      // Bit i in all places: as a sign, which a shift repeats. A GPU has it in two instructions.
      const auto sign = static_cast<int64_t>(removed << (kTileBits - 1 - i));
      const auto is_removed = static_cast<uint64_t>(sign >> (kTileBits - 1));
      removed |= masks[i].own & ~is_removed;
      next |= masks[i].next & ~is_removed;
    }
  }

  RCNN_HOST_DEVICE void WriteKept(int64_t row, int tile, int in_tile,
                                  const Decision& decision) const {
    if (in_tile < 0 || in_tile >= kTileBits || (decision.keep >> in_tile & 1) == 0) return;
    const uint64_t earlier = (uint64_t{1} << in_tile) - 1;
    const int64_t place = decision.kept + CountBits(decision.keep & earlier);
    if (place >= work.KeptCapacity()) return;
    const int64_t from = row * work.capacity + begin + tile * kTileBits + in_tile;
    const int64_t to = row * work.KeptCapacity() + place;
    work.kept[to] = entries[from].index;
    work.kept_boxes[to] = work.sorted[from];
    if (work.groups != nullptr) work.kept_group[to] = work.sorted_group[from];
  }

  // To the words after that of the next tile. A mask is read if its candidate is kept and it is not
  // 0; no load of some that are loaded together waits for another.
  RCNN_HOST_DEVICE void AddMasks(int tile, uint64_t keep, int helper, Shared& shared,
                                 const Private& mine) const {
    const int group = helper / kGroupThreads, first = group * kGroupMasks;
    if (group >= kGroups) return;
    const uint64_t own = keep >> first & FirstBits(kGroupMasks);
    for (int word = tile + 2 + helper % kGroupThreads; word < mine.tiles; word += kGroupThreads) {
      const uint64_t wanted = own & shared.nonzero[tile % kLoadedTiles][word] >> first;
      if (wanted == 0) continue;
      const uint64_t* const mask = mine.mask + ((tile * kTileBits + first) * mine.words + word);
      uint64_t bits = 0;
      for (int from = 0; from < kGroupMasks; from += kTogether) {
        RCNN_UNROLL
        for (int j = from; j < from + kTogether; ++j) {
          bits |= (wanted >> j & 1) != 0 ? mask[j * mine.words] : 0;
        }
      }
      shared.removed[group][word] |= bits;
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

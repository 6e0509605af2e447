// The parallel part of nms_tiles.h: which candidates of a slab are suppressed by boxes that were
// kept before it, and which by others of the slab.

#ifndef RCNN_OPS_KERNELS_NMS_COMPARE_H_
#define RCNN_OPS_KERNELS_NMS_COMPARE_H_

#include <cstdint>

#include "rcnn/ops/kernels/box_overlap.h"
#include "rcnn/ops/kernels/kernel.h"
#include "rcnn/ops/kernels/nms_work.h"
#include "rcnn/ops/kernels/suppression.h"

namespace rcnn::ops {

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

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_NMS_COMPARE_H_

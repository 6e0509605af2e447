// The serial part of nms_tiles.h: which candidates of a slab are kept, from the masks of
// nms_compare.h.

#ifndef RCNN_OPS_KERNELS_NMS_WALK_H_
#define RCNN_OPS_KERNELS_NMS_WALK_H_

#include <cstdint>

#include "rcnn/ops/kernels/kernel.h"
#include "rcnn/ops/kernels/merge_sort.h"
#include "rcnn/ops/kernels/nms_work.h"

namespace rcnn::ops {

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

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_NMS_WALK_H_

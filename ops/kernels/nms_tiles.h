// Greedy non-maximum suppression of any number of boxes, for many rows of boxes at once: the
// result of nms.h and batched_nms.h, index by index.
//
// A row is one problem: the boxes of an image, or of one level of one image (nms_work.h). Its
// candidates are sorted by score and then worked off in slabs of kSlab candidates. The kernels of
// each slab, of which nms_compare.h has the first two and nms_walk.h the last:
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
// operations, of which few need a division, 283 kB for `nonzero`, and up to 9 MB of masks.
//
// Source: the bitmask of tiles is that of py-faster-rcnn's GPU code (Ren et al.,
// arXiv:1506.01497); slabs and the walk on the device are rcnn's own.

#ifndef RCNN_OPS_KERNELS_NMS_TILES_H_
#define RCNN_OPS_KERNELS_NMS_TILES_H_

#include <cstdint>

#include "rcnn/ops/kernels/kernel.h"
#include "rcnn/ops/kernels/merge_sort.h"
#include "rcnn/ops/kernels/nms_compare.h"
#include "rcnn/ops/kernels/nms_walk.h"
#include "rcnn/ops/kernels/nms_work.h"

namespace rcnn::ops {

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

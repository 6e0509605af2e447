// Matches boxes to the ground truth of their image, for all images of a batch: the rules
// of matcher.h.
//
// Two kernels. The first finds the best IoU of each ground-truth box over the boxes of its
// image: a block per ground-truth box, whose threads walk the boxes and then reduce. The
// second gives each box a thread, which walks the ground truth in tiles held in shared
// memory, and keeps the best IoU, its index, whether one ties with the best of its
// ground-truth box, and the largest fraction inside a crowd region.
//
// A maximum does not depend on the order, and the same pair gives the same IoU in both
// kernels, so labels and indices equal the CPU's bit by bit.
//
// B images, N boxes and M ground-truth boxes each: 2 B N M overlaps of 15 operations and a
// division; reads 4 B N values M + 1 times, from the cache after the first, writes 3 B N.

#ifndef RCNN_OPS_KERNELS_BOX_MATCHING_H_
#define RCNN_OPS_KERNELS_BOX_MATCHING_H_

#include <cstdint>

#include "rcnn/ops/kernels/box_overlap.h"
#include "rcnn/ops/kernels/kernel.h"

namespace rcnn::ops {

// The arguments of both kernels. Thresholds are those of MatcherOptions in T.
template <typename T>
struct MatchWork {
  int64_t images;
  int64_t boxes_per_image;
  int64_t gt_capacity;  // ground-truth rows per image
  const T* boxes;       // [images, boxes_per_image, 4]
  // Elements from one image's boxes to the next's; 0 where all images share them.
  int64_t image_stride;
  const T* gt;              // [images, gt_capacity, 4]
  const int64_t* gt_count;  // [images], rows of gt that count; null: all
  const bool* gt_is_crowd;  // [images, gt_capacity]; null: none
  const bool* eligible;     // [images, boxes_per_image]; null: all

  T foreground_iou;
  T background_max_iou;
  T background_min_iou;
  bool match_best_of_each_gt;
  T min_best_iou;
  T crowd_share;
  bool crowd_hides_foreground;
  T extra;  // 1 for inclusive boxes, 0 otherwise

  T* gt_best;         // [images, gt_capacity], scratch
  int64_t* labels;    // [images, boxes_per_image]: 1, 0 or -1
  int64_t* gt_index;  // likewise; -1: none
  T* iou;             // likewise

  RCNN_HOST_DEVICE int64_t GtCount(int64_t image) const {
    if (gt_count == nullptr) return gt_capacity;
    // On a device nobody has checked it.
    return Clamped<int64_t>(gt_count[image], 0, gt_capacity);
  }
  RCNN_HOST_DEVICE bool IsCrowd(int64_t image, int64_t row) const {
    return gt_is_crowd != nullptr && gt_is_crowd[image * gt_capacity + row];
  }
  RCNN_HOST_DEVICE bool IsEligible(int64_t image, int64_t row) const {
    return eligible == nullptr || eligible[image * boxes_per_image + row];
  }
  RCNN_HOST_DEVICE AreaBox<T> Box(int64_t image, int64_t row) const {
    return LoadAreaBox(boxes + image * image_stride + 4 * row, extra);
  }
  RCNN_HOST_DEVICE AreaBox<T> Gt(int64_t image, int64_t row) const {
    return LoadAreaBox(gt + 4 * (image * gt_capacity + row), extra);
  }
};

// gt_best: the best IoU of each ground-truth box over the eligible boxes of its image; 0 for
// crowds and rows that do not count.
template <typename T>
struct BestOfGtKernel {
  static constexpr int kThreads = 256;
  static constexpr int64_t kTreePhases = 8;  // log2(kThreads)
  struct Shared {
    T best[kThreads];
  };
  using Private = None;

  int64_t Blocks() const { return work.images * work.gt_capacity; }
  RCNN_HOST_DEVICE int64_t Phases(int64_t block) const {
    return Counts(block) ? 2 + kTreePhases : 1;
  }

  RCNN_HOST_DEVICE void Run(int64_t phase, const Place& place, Shared& shared, None&) const {
    if (!Counts(place.block)) {
      if (place.thread == 0) work.gt_best[place.block] = T{0};
    } else if (phase == 0) {
      shared.best[place.thread] = BestOfThread(place);
    } else if (phase <= kTreePhases) {
      const int width = kThreads >> phase;
      if (place.thread < width) {
        shared.best[place.thread] =
            Greater(shared.best[place.thread], shared.best[place.thread + width]);
      }
    } else if (place.thread == 0) {
      work.gt_best[place.block] = shared.best[0];
    }
  }

  RCNN_HOST_DEVICE bool Counts(int64_t block) const {
    const int64_t image = block / work.gt_capacity;
    const int64_t row = block % work.gt_capacity;
    return row < work.GtCount(image) && !work.IsCrowd(image, row);
  }

  RCNN_HOST_DEVICE T BestOfThread(const Place& place) const {
    const int64_t image = place.block / work.gt_capacity;
    const AreaBox<T> object = work.Gt(image, place.block % work.gt_capacity);
    T best = 0;
    for (int64_t i = place.thread; i < work.boxes_per_image; i += kThreads) {
      if (!work.IsEligible(image, i)) continue;
      best = Greater(best, OverlapOfPair(work.Box(image, i), object, Overlap::kIou, work.extra));
    }
    return best;
  }

  MatchWork<T> work;
};

// labels, gt_index and iou of every box, from gt_best.
template <typename T>
struct LabelBoxesKernel {
  static constexpr int kThreads = 256;
  static constexpr int64_t kTile = 128;
  struct Shared {
    AreaBox<T> gt[kTile];
    T best[kTile];
    bool is_crowd[kTile];
  };
  struct Private {
    AreaBox<T> box;
    T iou;
    T crowd;
    int64_t gt_index;
    bool ties;
  };

  int64_t Blocks() const { return work.images * BlocksPerImage(); }
  RCNN_HOST_DEVICE int64_t BlocksPerImage() const {
    return CeilDivide(work.boxes_per_image, kThreads);
  }
  // Tiles of ground truth are loaded in even phases and compared in odd ones.
  RCNN_HOST_DEVICE int64_t Phases(int64_t block) const {
    return 2 * Tiles(block / BlocksPerImage()) + 1;
  }
  RCNN_HOST_DEVICE int64_t Tiles(int64_t image) const {
    return CeilDivide(work.GtCount(image), kTile);
  }

  RCNN_HOST_DEVICE void Run(int64_t phase, const Place& place, Shared& shared,
                            Private& mine) const {
    const int64_t image = place.block / BlocksPerImage();
    const int64_t row = place.block % BlocksPerImage() * kThreads + place.thread;
    const int64_t first = phase / 2 * kTile;
    const int64_t count = Lesser(kTile, work.GtCount(image) - first);
    if (phase == 0 && row < work.boxes_per_image) {
      mine = {work.Box(image, row), T{0}, T{0}, -1, false};
    }
    if (phase == 2 * Tiles(image)) {
      if (row < work.boxes_per_image) Write(image, row, mine);
    } else if (phase % 2 == 0) {
      if (place.thread < count) Load(image, first + place.thread, place.thread, shared);
    } else if (row < work.boxes_per_image) {
      Compare(shared, first, count, mine);
    }
  }

  RCNN_HOST_DEVICE void Load(int64_t image, int64_t row, int slot, Shared& shared) const {
    shared.gt[slot] = work.Gt(image, row);
    shared.best[slot] = work.gt_best[image * work.gt_capacity + row];
    shared.is_crowd[slot] = work.IsCrowd(image, row);
  }

  RCNN_HOST_DEVICE void Compare(const Shared& shared, int64_t first, int64_t count,
                                Private& mine) const {
    for (int64_t j = 0; j < count; ++j) {
      if (shared.is_crowd[j]) {
        mine.crowd = Greater(mine.crowd, OverlapOfPair(mine.box, shared.gt[j],
                                                       Overlap::kIntersectionOverRow, work.extra));
        continue;
      }
      const T iou = OverlapOfPair(mine.box, shared.gt[j], Overlap::kIou, work.extra);
      if (mine.gt_index < 0 || iou > mine.iou) {
        mine.iou = iou;
        mine.gt_index = first + j;
      }
      if (shared.best[j] > work.min_best_iou && iou == shared.best[j]) mine.ties = true;
    }
  }

  RCNN_HOST_DEVICE void Write(int64_t image, int64_t row, const Private& mine) const {
    const int64_t i = image * work.boxes_per_image + row;
    const bool is_eligible = work.IsEligible(image, row);
    work.labels[i] = is_eligible ? Label(mine) : -1;
    work.gt_index[i] = is_eligible ? mine.gt_index : -1;
    work.iou[i] = is_eligible ? mine.iou : T{0};
  }

  RCNN_HOST_DEVICE int64_t Label(const Private& mine) const {
    const bool is_foreground =
        mine.iou >= work.foreground_iou || (work.match_best_of_each_gt && mine.ties);
    const bool is_background =
        !is_foreground && mine.iou >= work.background_min_iou && mine.iou < work.background_max_iou;
    const bool is_hidden =
        mine.crowd > work.crowd_share && (is_background || work.crowd_hides_foreground);
    if (is_hidden) return -1;
    return is_foreground ? 1 : is_background ? 0 : -1;
  }

  MatchWork<T> work;
};

template <typename Launch, typename T>
void MatchBoxesOfImages(Launch& launch, const MatchWork<T>& work) {
  if (work.images == 0 || work.boxes_per_image == 0) return;
  if (work.gt_capacity > 0) launch(BestOfGtKernel<T>{work});
  launch(LabelBoxesKernel<T>{work});
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_BOX_MATCHING_H_

// The options of the kernels of box_matching.h.
//
// Needs no GPU: the test of the kernels on the host uses it too.

#ifndef RCNN_OPS_CUDA_MATCH_WORK_H_
#define RCNN_OPS_CUDA_MATCH_WORK_H_

#include "rcnn/ops/kernels/box_matching.h"
#include "rcnn/ops/matcher.h"

namespace rcnn::ops {

// Work with `options`, and everything else 0. T is float or double.
template <typename T>
MatchWork<T> MakeMatchWork(const MatcherOptions& options) {
  MatchWork<T> work{};
  work.foreground_iou = static_cast<T>(options.foreground_iou);
  work.background_max_iou = static_cast<T>(options.background_max_iou);
  work.background_min_iou = static_cast<T>(options.background_min_iou);
  work.match_best_of_each_gt = options.match_best_of_each_gt;
  work.min_best_iou = static_cast<T>(options.min_best_iou);
  work.crowd_share = static_cast<T>(options.crowd_share);
  work.crowd_hides_foreground = options.crowd_hides_foreground;
  work.extra = options.inclusive ? T{1} : T{0};
  return work;
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CUDA_MATCH_WORK_H_

// The loop of greedy non-maximum suppression, on plain arrays.
//
// Takes boxes in visiting order and keeps each unless an already kept one
// overlaps it too much. Shared by nms.h, batched_nms.h and proposals.h; other code
// calls those.
//
// Exact: the decision is the one of the plain double loop, bit for bit,
//   inter / (area_a + area_b - inter) > iou_threshold
// in the type of the boxes. The .cc explains why it is fast.

#ifndef RCNN_OPS_CPU_GREEDY_SUPPRESSION_H_
#define RCNN_OPS_CPU_GREEDY_SUPPRESSION_H_

#include <cstdint>
#include <vector>

#include "rcnn/ops/kernels/nms_options.h"

namespace rcnn::ops {

// Returns the positions of the kept boxes, ascending. `boxes` [count, 4] row by row in
// visiting order (best first), finite, x2 >= x1, y2 >= y1.
std::vector<int64_t> SuppressGreedily(const float* boxes, int64_t count, const NmsOptions& options);
std::vector<int64_t> SuppressGreedily(const double* boxes, int64_t count,
                                      const NmsOptions& options);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CPU_GREEDY_SUPPRESSION_H_

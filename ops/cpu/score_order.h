// Positions of the best scores, best first; equal scores stay in index order.
//
// The sort of the suppression and proposal operators. The order is total, so their
// results are the same on every machine. When only `limit` scores are wanted, only
// those, and the ones that share the leading bits of the last of them, are sorted.
// Shared inside ops/; other code calls at::sort or at::topk.
//
// Example:
//   for (int64_t i : BestFirst(scores.data(), scores.size(), /*limit=*/6000)) Use(scores[i]);

#ifndef RCNN_OPS_CPU_SCORE_ORDER_H_
#define RCNN_OPS_CPU_SCORE_ORDER_H_

#include <cstdint>
#include <vector>

namespace rcnn::ops {

// Returns the positions of the min(limit, count) highest of `scores` [count], in
// descending order; -0 equals +0. No score may be NaN; count < 2^32. O(count) for float32
// (a stable radix sort of 11-bit digits), O(count + limit log limit) for float64.
std::vector<int64_t> BestFirst(const float* scores, int64_t count, int64_t limit);
std::vector<int64_t> BestFirst(const double* scores, int64_t count, int64_t limit);

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CPU_SCORE_ORDER_H_

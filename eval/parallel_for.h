// Runs independent work items on all cores that the process may use.
//
// Items are handed out one by one from a shared counter, which balances uneven
// items. Every call starts threads (tens of microseconds), so use it for work of a
// millisecond or more. For tensors use at::parallel_for.
//
// Example:
//   ParallelFor(categories.size(), threads, [&](int64_t k) { Evaluate(categories[k]); });

#ifndef RCNN_EVAL_PARALLEL_FOR_H_
#define RCNN_EVAL_PARALLEL_FOR_H_

#include <cstdint>

#include "absl/functional/function_ref.h"

namespace rcnn::eval {

// The number of cores in the affinity mask of the process, >= 1.
int AllowedCores();

// Calls work(i) once for every i in [0, count), on at most `threads` threads (0:
// AllowedCores()), the caller's among them. Returns when all are done. `work`
// must not throw and must not depend on the order of the items.
void ParallelFor(int64_t count, int threads, absl::FunctionRef<void(int64_t)> work);

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_PARALLEL_FOR_H_

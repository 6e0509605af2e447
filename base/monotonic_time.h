// The clock for elapsed time: setting the time of day does not affect it.
//
// Use it to measure, estimate or wait. For dates use absl::Now().
//
// Example:
//   const absl::Time start = MonotonicNow();
//   Work();
//   std::cout << HumanDuration(MonotonicNow() - start);

#ifndef RCNN_BASE_MONOTONIC_TIME_H_
#define RCNN_BASE_MONOTONIC_TIME_H_

#include "absl/time/time.h"

namespace rcnn {

// Never decreases. Only differences are meaningful.
absl::Time MonotonicNow();

}  // namespace rcnn

#endif  // RCNN_BASE_MONOTONIC_TIME_H_

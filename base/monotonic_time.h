// The clock for elapsed times: it does not jump when somebody sets the time of day.
//
// For what is measured, estimated or waited for. Not for what is written down as a date:
// that is absl::Now().
//
// Example:
//   const absl::Time start = MonotonicNow();
//   ...
//   Print(HumanDuration(MonotonicNow() - start));

#ifndef RCNN_BASE_MONOTONIC_TIME_H_
#define RCNN_BASE_MONOTONIC_TIME_H_

#include "absl/time/time.h"

namespace rcnn {

// Never falls. Only differences mean anything: it is not a date.
absl::Time MonotonicNow();

}  // namespace rcnn

#endif  // RCNN_BASE_MONOTONIC_TIME_H_

// Calls a library's function that may never return, and waits for it for a limited time.
//
// After that time the thread that calls it keeps running, and uses all that the function refers
// to: capture by value. For programs that end soon after.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(auto store, WithinTime<StorePtr>(absl::Seconds(30), Connect));

#ifndef RCNN_TRAINING_DISTRIBUTED_WITHIN_TIME_H_
#define RCNN_TRAINING_DISTRIBUTED_WITHIN_TIME_H_

#include <algorithm>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rcnn/base/exception_status.h"
#include "rcnn/base/monotonic_time.h"

namespace rcnn::training {

// Returns what `work` returns, an error for what it throws, kDeadlineExceeded after `limit`, and
// kCancelled soon after `stops`, which is asked in this thread, returns true. It may be null.
template <typename T>
absl::StatusOr<T> WithinTime(absl::Duration limit, std::function<absl::StatusOr<T>()> work,
                             const std::function<bool()>& stops = nullptr) {
  auto promise = std::make_shared<std::promise<absl::StatusOr<T>>>();
  std::future<absl::StatusOr<T>> result = promise->get_future();
  std::thread([promise, work = std::move(work)] {
    promise->set_value(CatchExceptions(work));
  }).detach();
  const absl::Time deadline = MonotonicNow() + limit;
  while (true) {
    const absl::Duration left = deadline - MonotonicNow();
    const absl::Duration wait = stops ? std::min(left, absl::Milliseconds(50)) : left;
    if (result.wait_for(absl::ToChronoMilliseconds(wait)) == std::future_status::ready)
      return result.get();
    if (stops && stops()) return absl::CancelledError("stopped");
    if (MonotonicNow() >= deadline) return absl::DeadlineExceededError("no answer");
  }
}

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_DISTRIBUTED_WITHIN_TIME_H_

// Converts exceptions to absl::Status, at the boundary where exceptions end. No other
// code does this, except that libraries without LibTorch call the part of it that knows
// only std::exception (standard_exception_status.h).
//
// Operators throw c10::Error and the standard library std::bad_alloc; nothing throws
// across a library boundary above ops/.
//
// Example:
//   return CatchExceptions([&] { return RunStage(); });

#ifndef RCNN_BASE_EXCEPTION_STATUS_H_
#define RCNN_BASE_EXCEPTION_STATUS_H_

#include <exception>

#include "absl/status/status.h"

namespace rcnn {

// Returns kResourceExhausted if host or device memory could not be allocated, and
// `otherwise` (not kOk) for every other exception. The message is the exception's, without
// a backtrace; for std::bad_alloc, whose own says nothing, it is advice.
absl::Status ExceptionStatus(const std::exception& error, absl::StatusCode otherwise);

// Whether host or device memory could not be allocated.
bool IsOutOfMemory(const std::exception& error);

// Whether an operator threw because a number is NaN or infinite (not_finite_error.h).
bool IsNotFinite(const std::exception& error);

// Returns what `work` returns, an absl::Status or StatusOr, or the ExceptionStatus of
// what it throws.
template <typename Work>
auto CatchExceptions(Work&& work, absl::StatusCode otherwise = absl::StatusCode::kInternal)
    -> decltype(work()) {
  try {
    return work();
  } catch (const std::exception& error) {
    return ExceptionStatus(error, otherwise);
  }
}

}  // namespace rcnn

#endif  // RCNN_BASE_EXCEPTION_STATUS_H_

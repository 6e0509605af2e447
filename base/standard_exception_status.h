// Converts exceptions of the standard library, and of libraries that derive theirs from
// std::exception, to absl::Status.
//
// For libraries that must not load LibTorch; others use base/exception_status.h, which
// also knows LibTorch's exceptions and leaves everything else to this translation.
//
// Example:
//   return CatchStandardExceptions([&] { return Convert(text); });

#ifndef RCNN_BASE_STANDARD_EXCEPTION_STATUS_H_
#define RCNN_BASE_STANDARD_EXCEPTION_STATUS_H_

#include <exception>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rcnn {

// Returns kResourceExhausted if memory could not be allocated, and `otherwise` (not kOk)
// for every other exception. The message is the exception's.
absl::Status StandardExceptionStatus(const std::exception& error, absl::StatusCode otherwise);

// The same for the message of an exception that is not std::bad_alloc.
absl::Status ExceptionMessageStatus(absl::string_view message, absl::StatusCode otherwise);

// Returns what `work` returns, an absl::Status or StatusOr, or the
// StandardExceptionStatus of what it throws.
template <typename Work>
auto CatchStandardExceptions(Work&& work, absl::StatusCode otherwise = absl::StatusCode::kInternal)
    -> decltype(work()) {
  try {
    return work();
  } catch (const std::exception& error) {
    return StandardExceptionStatus(error, otherwise);
  }
}

}  // namespace rcnn

#endif  // RCNN_BASE_STANDARD_EXCEPTION_STATUS_H_

// Converts an exception to a Status, at the boundary where exceptions end.
//
// Operators throw c10::Error and the standard library std::bad_alloc; nothing throws
// across a library boundary above ops/.
//
// Example:
//   try {
//     return Forward(image);
//   } catch (const std::exception& error) {
//     return ExceptionStatus(error, absl::StatusCode::kInternal);
//   }

#ifndef RCNN_BASE_EXCEPTION_STATUS_H_
#define RCNN_BASE_EXCEPTION_STATUS_H_

#include <exception>

#include "absl/status/status.h"

namespace rcnn {

// Returns kResourceExhausted if host or device memory could not be allocated, and
// `otherwise` (not kOk) for every other exception. The message is the exception's, without
// a backtrace.
absl::Status ExceptionStatus(const std::exception& error, absl::StatusCode otherwise);

}  // namespace rcnn

#endif  // RCNN_BASE_EXCEPTION_STATUS_H_

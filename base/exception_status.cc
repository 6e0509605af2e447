#include "rcnn/base/exception_status.h"

#include <c10/util/Exception.h>

#include "rcnn/base/not_finite_error.h"
#include "rcnn/base/standard_exception_status.h"

namespace rcnn {

absl::Status ExceptionStatus(const std::exception& error, absl::StatusCode otherwise) {
  const auto* const torch_error = dynamic_cast<const c10::Error*>(&error);
  if (torch_error == nullptr) return StandardExceptionStatus(error, otherwise);
  return ExceptionMessageStatus(torch_error->what_without_backtrace(), otherwise);
}

bool IsOutOfMemory(const std::exception& error) {
  return absl::IsResourceExhausted(ExceptionStatus(error, absl::StatusCode::kInternal));
}

bool IsNotFinite(const std::exception& error) {
  return dynamic_cast<const NotFiniteError*>(&error) != nullptr;
}

}  // namespace rcnn

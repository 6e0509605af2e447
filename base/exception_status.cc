#include "rcnn/base/exception_status.h"

#include <c10/util/Exception.h>

#include "rcnn/base/not_finite_error.h"
#include "rcnn/base/standard_exception_status.h"

namespace rcnn {

absl::Status ExceptionStatus(const std::exception& error, absl::StatusCode otherwise) {
  const auto* const of_torch = dynamic_cast<const c10::Error*>(&error);
  if (of_torch == nullptr) return StandardExceptionStatus(error, otherwise);
  return ExceptionMessageStatus(of_torch->what_without_backtrace(), otherwise);
}

bool IsNotFinite(const std::exception& error) {
  return dynamic_cast<const NotFiniteError*>(&error) != nullptr;
}

}  // namespace rcnn

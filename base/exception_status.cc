#include "rcnn/base/exception_status.h"

#include <c10/util/Exception.h>

#include <new>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/not_finite_error.h"

namespace rcnn {
namespace {

// LibTorch's allocators throw plain c10::Error, or a class that only some versions have;
// only the message text is common to all.
bool IsAllocationFailure(absl::string_view message) {
  return absl::StrContains(message, "can't allocate memory") ||
         absl::StrContains(message, "not enough memory") ||
         absl::StrContains(message, "out of memory");
}

}  // namespace

absl::Status ExceptionStatus(const std::exception& error, absl::StatusCode otherwise) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) {
    return absl::ResourceExhaustedError("out of memory; use smaller batches, images or layers");
  }
  const auto* const torch_error = dynamic_cast<const c10::Error*>(&error);
  const absl::string_view message =
      torch_error == nullptr ? error.what() : torch_error->what_without_backtrace();
  return {IsAllocationFailure(message) ? absl::StatusCode::kResourceExhausted : otherwise, message};
}

bool IsNotFinite(const std::exception& error) {
  return dynamic_cast<const NotFiniteError*>(&error) != nullptr;
}

}  // namespace rcnn

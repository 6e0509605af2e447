#include "rcnn/base/standard_exception_status.h"

#include <new>

#include "absl/strings/match.h"

namespace rcnn {
namespace {

// LibTorch's allocators throw plain c10::Error, or a class that only some versions have;
// only the message text is common to all. OpenCV's cv::Exception says "Insufficient memory",
// cuBLAS CUBLAS_STATUS_ALLOC_FAILED, as cuDNN 8 does, and cuDNN 9
// CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED.
bool IsOfAllocator(absl::string_view message) {
  return absl::StrContains(message, "can't allocate memory") ||
         absl::StrContains(message, "not enough memory") ||
         absl::StrContains(message, "out of memory") ||
         absl::StrContains(message, "STATUS_ALLOC_FAILED") ||
         absl::StrContains(message, "ALLOCATION_FAILED") ||
         absl::StrContains(message, "Insufficient memory");
}

}  // namespace

absl::Status ExceptionMessageStatus(absl::string_view message, absl::StatusCode otherwise) {
  return {IsOfAllocator(message) ? absl::StatusCode::kResourceExhausted : otherwise, message};
}

absl::Status StandardExceptionStatus(const std::exception& error, absl::StatusCode otherwise) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) {
    return absl::ResourceExhaustedError("out of memory; use smaller batches, images or layers");
  }
  return ExceptionMessageStatus(error.what(), otherwise);
}

}  // namespace rcnn

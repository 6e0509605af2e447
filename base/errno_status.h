// The meaning of errno as an absl::Status that names the path.
//
// kNotFound: nothing lies there. kPermissionDenied, kResourceExhausted (disk full),
// kUnavailable (EIO, ESTALE, ENOMEM and all others): the file system does not give the
// answer now; what lies there may be whole.
//
// Example:
//   if (open(path.c_str(), O_RDONLY) < 0) return ErrnoStatus("open", path);

#ifndef RCNN_BASE_ERRNO_STATUS_H_
#define RCNN_BASE_ERRNO_STATUS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rcnn {

// "cannot <what> <path>: <meaning of error>" and, where there is one, what to do.
absl::Status ErrorNumberStatus(int error, absl::string_view what, absl::string_view path);

// The same of errno, as it is on entry.
absl::Status ErrnoStatus(absl::string_view what, absl::string_view path);

}  // namespace rcnn

#endif  // RCNN_BASE_ERRNO_STATUS_H_

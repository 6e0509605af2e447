// Converts errno to an absl::Status that names the path.
//
// kNotFound: the path does not exist. kPermissionDenied, kResourceExhausted (disk full),
// kUnavailable (EIO, ESTALE, ENOMEM and all others): the file system cannot answer now,
// and the file may be intact. Of a path that is too long for a file (path_length.h) the message has
// the beginning.
//
// Example:
//   if (open(path.c_str(), O_RDONLY) < 0) return ErrnoStatus("open", path);

#ifndef RCNN_BASE_ERRNO_STATUS_H_
#define RCNN_BASE_ERRNO_STATUS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rcnn {

// "cannot <what> <path>: <meaning of error>", with advice where there is any.
absl::Status ErrorNumberStatus(int error, absl::string_view what, absl::string_view path);

// The same for errno, which is read on entry.
absl::Status ErrnoStatus(absl::string_view what, absl::string_view path);

}  // namespace rcnn

#endif  // RCNN_BASE_ERRNO_STATUS_H_

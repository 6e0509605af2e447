// System calls that are repeated when a signal interrupts them, which slow file systems allow.
//
// They return what the calls return, and leave errno: see errno_status.h. For whole files see
// file_io.h and stored_file.h.
//
// Example:
//   const int descriptor = OpenRetried(path, O_RDONLY);
//   if (descriptor < 0) return ErrnoStatus("open", path);

#ifndef RCNN_BASE_RETRIED_CALLS_H_
#define RCNN_BASE_RETRIED_CALLS_H_

#include <string>

#include "absl/strings/string_view.h"

namespace rcnn {

// open(2) with O_CLOEXEC; with O_CREAT a new file has mode 0644 before the umask. The descriptor,
// which the caller closes; -1 on an error.
int OpenRetried(const std::string& path, int flags);

// fsync(2): 0, or -1 on an error.
int SyncRetried(int descriptor);

// write(2) until all of `bytes` are written; false on an error, after which any number of them may
// have been.
bool WriteAllRetried(int descriptor, absl::string_view bytes);

}  // namespace rcnn

#endif  // RCNN_BASE_RETRIED_CALLS_H_

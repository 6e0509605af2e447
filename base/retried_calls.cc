#include "rcnn/base/retried_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

namespace rcnn {

int OpenRetried(const std::string& path, int flags) {
  for (;;) {
    const int descriptor = open(path.c_str(), flags | O_CLOEXEC, 0644);
    if (descriptor >= 0 || errno != EINTR) return descriptor;
  }
}

int SyncRetried(int descriptor) {
  for (;;) {
    const int result = fsync(descriptor);
    if (result == 0 || errno != EINTR) return result;
  }
}

bool WriteAllRetried(int descriptor, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace rcnn

#include "rcnn/training/trainer/append_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "rcnn/base/errno_status.h"

namespace rcnn::training {
namespace {

// Writes all of `bytes`; false, with errno set, on an error.
bool WriteAll(int descriptor, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace

absl::StatusOr<AppendFile> AppendFile::Open(const std::string& path) {
  int descriptor = -1;
  do {
    descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  } while (descriptor < 0 && errno == EINTR);
  if (descriptor < 0) return ErrnoStatus("open", path);
  return AppendFile(path, descriptor);
}

AppendFile& AppendFile::operator=(AppendFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

AppendFile::~AppendFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

absl::Status AppendFile::Sync() {
  while (fsync(descriptor_) != 0) {
    if (errno != EINTR) return ErrnoStatus("write to", path_);
  }
  return absl::OkStatus();
}

absl::Status AppendFile::Append(absl::string_view record) {
  const off_t before = lseek(descriptor_, 0, SEEK_END);
  if (before >= 0 && WriteAll(descriptor_, record)) return absl::OkStatus();
  const absl::Status error = ErrnoStatus("write to", path_);
  // A torn record would hide later records from readers.
  if (before >= 0 && ftruncate(descriptor_, before) != 0) return error;
  return error;
}

}  // namespace rcnn::training

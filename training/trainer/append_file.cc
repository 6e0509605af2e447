#include "rcnn/training/trainer/append_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/errno_status.h"
#include "rcnn/base/retried_calls.h"

namespace rcnn::training {

absl::StatusOr<AppendFile> AppendFile::Open(const std::string& path) {
  const int descriptor = OpenRetried(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW);
  if (descriptor < 0) return ErrnoStatus("open", path);
  return AppendFile(path, descriptor);
}

absl::StatusOr<AppendFile> AppendFile::Create(const std::string& path) {
  const int descriptor = OpenRetried(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND);
  if (descriptor >= 0) return AppendFile(path, descriptor);
  if (errno != EEXIST) return ErrnoStatus("create", path);
  return absl::AlreadyExistsError(absl::StrCat(path, " exists"));
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
  return SyncRetried(descriptor_) == 0 ? absl::OkStatus() : ErrnoStatus("write to", path_);
}

absl::Status AppendFile::Append(absl::string_view record) {
  const off_t before = lseek(descriptor_, 0, SEEK_END);
  if (before >= 0 && WriteAllRetried(descriptor_, record)) return absl::OkStatus();
  const absl::Status error = ErrnoStatus("write to", path_);
  // A torn record would hide later records from readers.
  if (before >= 0 && ftruncate(descriptor_, before) != 0) return error;
  return error;
}

}  // namespace rcnn::training

#include "rcnn/base/stored_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/base/crc32c.h"
#include "rcnn/base/errno_status.h"
#include "rcnn/base/status_macros.h"

namespace rcnn {
namespace {

namespace fs = std::filesystem;

// Fits a processor's second-level cache, so that the checksum reads from there.
constexpr size_t kPieceBytes = size_t{256} << 10;

bool IsMissing(int error) { return error == ENOENT || error == ENOTDIR; }

std::string ParentDirectory(const std::string& path) {
  const std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

int OpenRetried(const std::string& path, int flags) {
  for (;;) {
    const int descriptor = open(path.c_str(), flags | O_CLOEXEC);
    if (descriptor >= 0 || errno != EINTR) return descriptor;
  }
}

absl::StatusOr<FileDigest> DigestDescriptor(int descriptor, const std::string& path) {
  const auto piece = std::make_unique<char[]>(kPieceBytes);
  FileDigest digest;
  for (;;) {
    const ssize_t got = read(descriptor, piece.get(), kPieceBytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus("read", path);
    if (got == 0) return digest;
    digest.size += got;
    digest.crc32c =
        Crc32c(absl::string_view(piece.get(), static_cast<size_t>(got)), digest.crc32c);
  }
}

}  // namespace

absl::StatusOr<bool> PathExists(const std::string& path) {
  struct stat status;
  if (lstat(path.c_str(), &status) == 0) return true;
  if (IsMissing(errno)) return false;
  return ErrnoStatus("look at", path);
}

absl::StatusOr<std::vector<std::string>> ListNames(const std::string& directory) {
  std::vector<std::string> names;
  DIR* const stream = opendir(directory.c_str());
  if (stream == nullptr && IsMissing(errno)) return names;
  if (stream == nullptr) return ErrnoStatus("list", directory);
  const auto closer = absl::MakeCleanup([stream] { closedir(stream); });
  for (;;) {
    errno = 0;
    const dirent* const entry = readdir(stream);
    if (entry == nullptr && errno != 0) return ErrnoStatus("list", directory);
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

absl::StatusOr<FileDigest> ComputeFileDigest(const std::string& path) {
  // Without O_NONBLOCK opening a pipe would wait for a writer.
  const int descriptor = OpenRetried(path, O_RDONLY | O_NONBLOCK);
  if (descriptor < 0) return ErrnoStatus("open", path);
  const auto closer = absl::MakeCleanup([descriptor] { close(descriptor); });
  struct stat status;
  if (fstat(descriptor, &status) != 0) return ErrnoStatus("examine", path);
  if (!S_ISREG(status.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is not a regular file"));
  }
  return DigestDescriptor(descriptor, path);
}

absl::Status CheckStoredFile(const std::string& path, const FileDigest& expected) {
  const absl::StatusOr<FileDigest> found = ComputeFileDigest(path);
  if (absl::IsNotFound(found.status())) {
    return absl::DataLossError(absl::StrCat(path, " is missing"));
  }
  if (absl::IsInvalidArgument(found.status())) {
    return absl::DataLossError(found.status().message());
  }
  RCNN_RETURN_IF_ERROR(found.status());
  if (*found == expected) return absl::OkStatus();
  if (found->size != expected.size) {
    return absl::DataLossError(
        absl::StrCat(path, " has ", found->size, " bytes, but had ", expected.size));
  }
  return absl::DataLossError(
      absl::StrFormat("%s is not what it was: its checksum differs (CRC-32C %08x, not %08x)", path,
                      found->crc32c, expected.crc32c));
}

bool IsDamage(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsNotFound(status) || absl::IsInvalidArgument(status);
}

absl::Status SyncFile(const std::string& path) {
  const int descriptor = OpenRetried(path, O_RDONLY | O_NONBLOCK);
  if (descriptor < 0) return ErrnoStatus("open", path);
  const auto closer = absl::MakeCleanup([descriptor] { close(descriptor); });
  while (fsync(descriptor) != 0) {
    if (errno != EINTR) return ErrnoStatus("write", path);
  }
  return absl::OkStatus();
}

absl::Status RenamePath(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) {
    return ErrnoStatus("rename", absl::StrCat(from, " to ", to));
  }
  const std::string source = ParentDirectory(from);
  const std::string target = ParentDirectory(to);
  RCNN_RETURN_IF_ERROR(SyncDirectory(target));
  return source == target ? absl::OkStatus() : SyncDirectory(source);
}

absl::Status RemovePath(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (!error) return absl::OkStatus();
  return ErrorNumberStatus(error.value(), "delete", path);
}

}  // namespace rcnn

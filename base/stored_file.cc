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
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/crc32c.h"
#include "rcnn/base/errno_status.h"
#include "rcnn/base/path_length.h"
#include "rcnn/base/retried_calls.h"
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

absl::Status Differs(const std::string& path, const FileDigest& found, const FileDigest& expected) {
  if (found.size != expected.size) {
    return absl::DataLossError(absl::StrCat(
        path, " is damaged: it has ", Counted(found.size, "byte"), " instead of ", expected.size));
  }
  return absl::DataLossError(
      absl::StrFormat("%s is damaged: its checksum differs (CRC-32C %08x, not %08x)", path,
                      found.crc32c, expected.crc32c));
}

// Where a certain file is expected, a missing file or one that is not regular is damage.
absl::Status AsDamage(const absl::Status& status, const std::string& path) {
  if (absl::IsNotFound(status)) return absl::DataLossError(absl::StrCat(path, " is missing"));
  if (absl::IsInvalidArgument(status)) return absl::DataLossError(status.message());
  return status;
}

void Add(absl::string_view piece, FileDigest& digest) {
  digest.size += static_cast<int64_t>(piece.size());
  digest.crc32c = Crc32c(piece, digest.crc32c);
}

// ReadInPieces, unless `check_size` refuses the size of the file before anything is read.
absl::Status ReadRegular(const std::string& path,
                         absl::FunctionRef<absl::Status(int64_t)> check_size,
                         absl::FunctionRef<absl::Status(absl::string_view)> take) {
  // Without O_NONBLOCK opening a pipe would wait for a writer.
  const int descriptor = OpenRetried(path, O_RDONLY | O_NONBLOCK);
  if (descriptor < 0) return ErrnoStatus("open", path);
  const auto closer = absl::MakeCleanup([descriptor] { close(descriptor); });
  struct stat status;
  if (fstat(descriptor, &status) != 0) return ErrnoStatus("examine", path);
  if (!S_ISREG(status.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is not a regular file"));
  }
  RCNN_RETURN_IF_ERROR(check_size(static_cast<int64_t>(status.st_size)));
  const auto piece = std::make_unique<char[]>(kPieceBytes);
  for (;;) {
    const ssize_t got = read(descriptor, piece.get(), kPieceBytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus("read", path);
    if (got == 0) return absl::OkStatus();
    RCNN_RETURN_IF_ERROR(take(absl::string_view(piece.get(), static_cast<size_t>(got))));
  }
}

// Passes the bytes to `take` and compares their digest. A file of another size is not read: it may
// be of any size.
absl::Status ReadExpected(const std::string& path, const FileDigest& expected,
                          absl::FunctionRef<absl::Status(absl::string_view)> take) {
  FileDigest found;
  const absl::Status status = ReadRegular(
      path,
      [&](int64_t size) {
        return size == expected.size ? absl::OkStatus() : Differs(path, {size, 0}, expected);
      },
      [&](absl::string_view piece) {
        Add(piece, found);
        // It has grown meanwhile, perhaps without end.
        return found.size <= expected.size ? take(piece) : Differs(path, found, expected);
      });
  RCNN_RETURN_IF_ERROR(AsDamage(status, path));
  return found == expected ? absl::OkStatus() : Differs(path, found, expected);
}

}  // namespace

absl::StatusOr<bool> PathExists(const std::string& path) {
  struct stat status;
  if (lstat(path.c_str(), &status) == 0) return true;
  if (IsMissing(errno)) return false;
  return ErrnoStatus("access", path);
}

absl::StatusOr<bool> IsRegularFile(const std::string& path) {
  struct stat status;
  if (lstat(path.c_str(), &status) == 0) return S_ISREG(status.st_mode);
  if (IsMissing(errno)) return false;
  return ErrnoStatus("access", path);
}

absl::StatusOr<fs::file_type> PathType(const std::string& path) {
  std::error_code error;
  const fs::file_type type = fs::symlink_status(path, error).type();
  // A missing path is an error and a type.
  if (type != fs::file_type::none) return type;
  return ErrorNumberStatus(error.value(), "access", path);
}

absl::StatusOr<fs::file_type> TargetType(const std::string& path) {
  if (IsPathTooLong(path)) return fs::file_type::not_found;
  std::error_code error;
  const fs::file_type type = fs::status(path, error).type();
  // A missing path is an error and a type.
  if (type != fs::file_type::none) return type;
  return ErrorNumberStatus(error.value(), "access", path);
}

absl::StatusOr<bool> LeadToSameFile(const std::string& a, const std::string& b) {
  struct stat of_a = {}, of_b = {};
  for (const auto& [path, status] : {std::pair(&a, &of_a), std::pair(&b, &of_b)}) {
    if (stat(path->c_str(), status) == 0) continue;
    const absl::Status error = ErrnoStatus("access", *path);
    if (absl::IsNotFound(error) || IsPathTooLong(*path)) return false;
    RCNN_ASSIGN_OR_RETURN(const bool is_broken_link, IsBrokenLink(*path));
    if (is_broken_link) return false;
    return error;
  }
  return of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

absl::StatusOr<bool> IsBrokenLink(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(const fs::file_type type, PathType(path));
  struct stat status;
  if (type != fs::file_type::symlink || stat(path.c_str(), &status) == 0) return false;
  return IsMissing(errno) || errno == ELOOP;
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

absl::Status ReadInPieces(const std::string& path,
                          absl::FunctionRef<absl::Status(absl::string_view)> take) {
  return ReadRegular(
      path, [](int64_t) { return absl::OkStatus(); }, take);
}

absl::StatusOr<std::string> ReadSmallFile(const std::string& path, int64_t max_bytes) {
  const auto check = [&](int64_t size) {
    if (size <= max_bytes) return absl::OkStatus();
    return absl::DataLossError(
        absl::StrCat(path, " is damaged: it has more than ", Counted(max_bytes, "byte")));
  };
  std::string text;
  RCNN_RETURN_IF_ERROR(ReadRegular(path, check, [&](absl::string_view piece) {
    text.append(piece.data(), piece.size());
    // It has grown meanwhile, perhaps without end.
    return check(static_cast<int64_t>(text.size()));
  }));
  return text;
}

absl::StatusOr<FileDigest> ComputeFileDigest(const std::string& path) {
  FileDigest digest;
  RCNN_RETURN_IF_ERROR(ReadInPieces(path, [&](absl::string_view piece) {
    Add(piece, digest);
    return absl::OkStatus();
  }));
  return digest;
}

absl::Status CheckStoredFile(const std::string& path, const FileDigest& expected) {
  return ReadExpected(path, expected, [](absl::string_view) { return absl::OkStatus(); });
}

absl::Status CopyStoredFile(const std::string& from, const std::string& to,
                            const FileDigest& expected) {
  // Reads the source once before writing, so that a damaged file costs no space.
  RCNN_RETURN_IF_ERROR(CheckStoredFile(from, expected));
  RCNN_ASSIGN_OR_RETURN(AtomicFile copy, AtomicFile::Create(to));
  // Checks the bytes in the copy, not those of the first reading.
  RCNN_RETURN_IF_ERROR(
      ReadExpected(from, expected, [&](absl::string_view piece) { return copy.Append(piece); }));
  return copy.Commit().status();
}

bool IsDamage(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsNotFound(status) || absl::IsInvalidArgument(status);
}

bool IsUnreadableNow(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsPermissionDenied(status);
}

void KeepUnreadable(const absl::Status& status, absl::Status& kept) {
  if (IsUnreadableNow(status)) kept.Update(status);
}

absl::Status SyncFile(const std::string& path) {
  const int descriptor = OpenRetried(path, O_RDONLY | O_NONBLOCK);
  if (descriptor < 0) return ErrnoStatus("open", path);
  const auto closer = absl::MakeCleanup([descriptor] { close(descriptor); });
  return SyncRetried(descriptor) == 0 ? absl::OkStatus() : ErrnoStatus("write", path);
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

absl::Status RenameAndRemove(const std::string& path, absl::string_view suffix) {
  const std::string removed = absl::StrCat(path, suffix);
  RCNN_RETURN_IF_ERROR(RemovePath(removed));
  RCNN_RETURN_IF_ERROR(RenamePath(path, removed));
  return RemovePath(removed);
}

absl::StatusOr<std::string> FreePathBeside(const std::string& path) {
  for (int number = 1;; ++number) {
    std::string free = absl::StrCat(path, ".before");
    if (number > 1) absl::StrAppend(&free, "-", number);
    RCNN_ASSIGN_OR_RETURN(const bool is_taken, PathExists(free));
    if (!is_taken) return free;
  }
}

absl::Status MakeWayForFile(const std::string& path) {
  std::error_code error;
  // Follows links, as the write does that refuses what is there.
  const fs::file_status found = fs::status(path, error);
  if (error || !fs::exists(found) || fs::is_regular_file(found)) return absl::OkStatus();
  RCNN_ASSIGN_OR_RETURN(const fs::file_type type, PathType(path));
  if (type != fs::file_type::directory) return RemovePath(path);
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(path));
  if (names.empty()) return RemovePath(path);
  RCNN_ASSIGN_OR_RETURN(const std::string aside, FreePathBeside(path));
  return RenamePath(path, aside);
}

}  // namespace rcnn

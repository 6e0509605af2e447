#include "rcnn/base/file_io.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/crc32c.h"
#include "rcnn/base/errno_status.h"
#include "rcnn/base/mapping_error.h"
#include "rcnn/base/path_length.h"
#include "rcnn/base/retried_calls.h"
#include "rcnn/base/status_macros.h"

namespace rcnn {
namespace {

std::string ParentDirectory(const std::string& path) {
  const std::string directory = std::filesystem::path(path).parent_path().string();
  return directory.empty() ? "." : directory;
}

// Opens a regular file for reading and returns its descriptor and size.
absl::StatusOr<std::pair<int, int64_t>> OpenRegular(const std::string& path) {
  // Without O_NONBLOCK opening a pipe would wait for a writer.
  const int descriptor = OpenRetried(path, O_RDONLY | O_NONBLOCK);
  if (descriptor < 0) return ErrnoStatus("open", path);
  struct stat status;
  if (fstat(descriptor, &status) != 0) {
    const absl::Status error = ErrnoStatus("examine", path);
    close(descriptor);
    return error;
  }
  if (!S_ISREG(status.st_mode)) {
    close(descriptor);
    return absl::InvalidArgumentError(
        absl::StrCat("cannot read ", path, ": it is ",
                     S_ISDIR(status.st_mode) ? "a directory, not a file" : "not a regular file"));
  }
  return std::make_pair(descriptor, static_cast<int64_t>(status.st_size));
}

absl::Status CheckDigest(const FileDigest& actual, const FileDigest& expected,
                         const std::string& path) {
  if (actual == expected) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrFormat("%s is damaged: %s with CRC-32C %08x, but %s with %08x were written", path,
                      Counted(actual.size, "byte"), actual.crc32c, Counted(expected.size, "byte"),
                      expected.crc32c));
}

// Reads until `size` bytes or the end; the file may have changed since fstat.
absl::Status ReadAll(int descriptor, const std::string& path, std::string& bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = read(descriptor, &bytes[done], bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus("read", path);
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  bytes.resize(done);
  return absl::OkStatus();
}

// Unique among all threads of this process and all processes of this machine. Of a long name only
// the beginning, because the whole may be as long as the file system allows.
std::string TemporaryName(const std::string& path) {
  static std::atomic<int> counter{0};
  const std::string ending = absl::StrCat(".tmp-", getpid(), "-", counter.fetch_add(1));
  const size_t slash = path.rfind('/');
  const size_t name = slash == std::string::npos ? 0 : slash + 1;
  return absl::StrCat(path.substr(0, name + NAME_MAX - ending.size()), ending);
}

// Creates a file next to `path`, opens it with `access`, and returns its descriptor (-1 on error)
// and its name. Tries several names: a killed process with the same process id (likely in a
// container) may have left a file with the first name.
std::pair<int, std::string> CreateTemporary(const std::string& path, int access) {
  constexpr int kTries = 1000;
  std::string name;
  int descriptor = -1;
  for (int i = 0; i < kTries; ++i) {
    name = TemporaryName(path);
    descriptor = OpenRetried(name, access | O_CREAT | O_EXCL);
    if (descriptor >= 0 || errno != EEXIST) break;
  }
  return {descriptor, std::move(name)};
}

absl::Status ClosedStatus(const std::string& path) {
  return absl::FailedPreconditionError(absl::StrCat(
      "cannot write ", path, ": it was already committed, or an earlier write failed"));
}

}  // namespace

FileDigest Digest(absl::string_view bytes) {
  return {static_cast<int64_t>(bytes.size()), Crc32c(bytes)};
}

absl::StatusOr<std::string> ReadFile(const std::string& path, const ReadOptions& options) {
  RCNN_ASSIGN_OR_RETURN(const auto opened, OpenRegular(path));
  const auto [descriptor, size] = opened;
  const auto closer = absl::MakeCleanup([fd = descriptor] { close(fd); });
  if (size > options.max_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat("cannot read ", path, ": it has ", size,
                                                     " bytes, more than the limit of ",
                                                     options.max_bytes));
  }
  std::string bytes(static_cast<size_t>(size), '\0');
  RCNN_RETURN_IF_ERROR(ReadAll(descriptor, path, bytes));
  if (options.expected) RCNN_RETURN_IF_ERROR(CheckDigest(Digest(bytes), *options.expected, path));
  return bytes;
}

absl::StatusOr<FileDigest> WriteFileAtomically(const std::string& path, absl::string_view bytes) {
  RCNN_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::Create(path));
  RCNN_RETURN_IF_ERROR(file.Append(bytes));
  return file.Commit();
}

AtomicFile::AtomicFile(std::string path, std::string temporary, int descriptor)
    : path_(std::move(path)), temporary_(std::move(temporary)), descriptor_(descriptor) {}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      digest_(other.digest_) {}

AtomicFile& AtomicFile::operator=(AtomicFile&& other) noexcept {
  if (this == &other) return *this;
  Discard();
  path_ = std::move(other.path_);
  temporary_ = std::move(other.temporary_);
  descriptor_ = std::exchange(other.descriptor_, -1);
  digest_ = other.digest_;
  return *this;
}

AtomicFile::~AtomicFile() { Discard(); }

void AtomicFile::Discard() {
  if (descriptor_ < 0) return;
  close(std::exchange(descriptor_, -1));
  unlink(temporary_.c_str());
}

absl::StatusOr<AtomicFile> AtomicFile::Create(const std::string& path) {
  // The name of the temporary file is shorter, so that only the renaming would fail.
  if (IsPathTooLong(path)) return ErrorNumberStatus(ENAMETOOLONG, "create a file for", path);
  std::error_code error;
  const std::filesystem::file_status target = std::filesystem::status(path, error);
  // What cannot be examined may be a device; a link to itself is none.
  if (target.type() == std::filesystem::file_type::none &&
      error != std::errc::too_many_symbolic_link_levels) {
    return ErrorNumberStatus(error.value(), "create a file for", path);
  }
  if (std::filesystem::is_directory(target)) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot write ", path, ": it is a directory; give the name of a file"));
  }
  // The rename would replace the device with a file, for all users.
  if (std::filesystem::exists(target) && !std::filesystem::is_regular_file(target)) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot write ", path, ": it is not a regular file"));
  }
  const std::string directory = ParentDirectory(path);
  const bool has_directory = std::filesystem::exists(directory, error);
  if (error) return ErrorNumberStatus(error.value(), "create a file for", path);
  if (!has_directory) {
    return absl::NotFoundError(absl::StrCat(
        "cannot write ", path, ": no such directory: ", directory, "; create it first"));
  }
  auto [descriptor, temporary] = CreateTemporary(path, O_WRONLY);
  if (descriptor < 0 && errno == ENAMETOOLONG) {
    return absl::UnavailableError(
        absl::StrCat("cannot create a file for ", path, ": its path of ", path.size(),
                     " bytes leaves no room for the longer name that the file has until it is "
                     "complete; give another path"));
  }
  if (descriptor < 0) return ErrnoStatus("create a file for", path);
  return AtomicFile(path, std::move(temporary), descriptor);
}

absl::Status AtomicFile::Append(absl::string_view bytes) {
  if (descriptor_ < 0) return ClosedStatus(path_);
  if (!WriteAllRetried(descriptor_, bytes)) {
    const absl::Status error = ErrnoStatus("write", path_);
    Discard();
    return error;
  }
  digest_.size += static_cast<int64_t>(bytes.size());
  digest_.crc32c = Crc32c(bytes, digest_.crc32c);
  return absl::OkStatus();
}

absl::StatusOr<FileDigest> AtomicFile::Commit() {
  if (descriptor_ < 0) return ClosedStatus(path_);
  // The data must reach the disk before the rename does: otherwise a power cut can
  // leave an empty file.
  if (SyncRetried(descriptor_) != 0 || rename(temporary_.c_str(), path_.c_str()) != 0) {
    const absl::Status error = ErrnoStatus("write", path_);
    Discard();
    return error;
  }
  close(std::exchange(descriptor_, -1));
  RCNN_RETURN_IF_ERROR(SyncDirectory(ParentDirectory(path_)));
  return digest_;
}

absl::StatusOr<int> CreateUnnamedFile(const std::string& path) {
  const auto [descriptor, name] = CreateTemporary(path, O_RDWR);
  if (descriptor < 0) return ErrnoStatus("create a file for", path);
  if (unlink(name.c_str()) == 0) return descriptor;
  const absl::Status error = ErrnoStatus("delete", name);
  close(descriptor);
  return error;
}

absl::StatusOr<MappedFile> MappedFile::Open(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(const auto opened, OpenRegular(path));
  const auto [descriptor, size] = opened;
  const auto closer = absl::MakeCleanup([fd = descriptor] { close(fd); });
  if (size == 0) return MappedFile(nullptr, 0);
  void* address =
      mmap(nullptr, static_cast<size_t>(size), PROT_READ, MAP_SHARED, descriptor, /*offset=*/0);
  if (address == MAP_FAILED) return ErrnoStatus("map", path);
  RecordMapping(address, static_cast<size_t>(size), path);
  return MappedFile(address, size);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : address_(std::exchange(other.address_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(address_, other.address_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (address_ == nullptr) return;
  ForgetMapping(address_);
  munmap(address_, static_cast<size_t>(size_));
}

void MappedFile::ReleasePages(absl::string_view read) const {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto file = reinterpret_cast<uintptr_t>(address_);
  const auto begin = reinterpret_cast<uintptr_t>(read.data());
  const auto size = static_cast<uintptr_t>(size_);
  if (begin < file || begin - file > size || read.size() > size - (begin - file)) return;
  const uintptr_t first = (begin + page - 1) / page * page;
  const uintptr_t last = (begin + read.size()) / page * page;
  // It costs memory alone if this fails.
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

absl::Status CreateDirectories(const std::string& path) {
  std::vector<std::filesystem::path> missing;
  std::error_code error;
  for (std::filesystem::path part(path); !part.empty() && !std::filesystem::exists(part, error);
       part = part.parent_path()) {
    if (part.has_filename()) missing.push_back(part);
  }
  std::filesystem::create_directories(path, error);
  if (error) return ErrorNumberStatus(error.value(), "create directory", path);
  // A new directory survives a power cut once its parent is synced.
  for (auto part = missing.rbegin(); part != missing.rend(); ++part) {
    RCNN_RETURN_IF_ERROR(SyncDirectory(ParentDirectory(part->string())));
  }
  return absl::OkStatus();
}

absl::Status SyncDirectory(const std::string& path) {
  const int descriptor = OpenRetried(path, O_RDONLY | O_DIRECTORY);
  if (descriptor < 0) return ErrnoStatus("open directory", path);
  const auto closer = absl::MakeCleanup([descriptor] { close(descriptor); });
  // Some file systems cannot sync a directory (EINVAL); either their renames are
  // durable or nothing can be done.
  if (SyncRetried(descriptor) != 0 && errno != EINVAL) return ErrnoStatus("sync directory", path);
  return absl::OkStatus();
}

absl::StatusOr<std::string> JoinInside(absl::string_view root, absl::string_view relative) {
  constexpr size_t kShownBytes = 300;
  const auto refuse = [&](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("the path '", absl::CHexEscape(relative.substr(0, kShownBytes)),
                     relative.size() > kShownBytes ? "...' " : "' ", why));
  };
  if (relative.empty()) return refuse("is empty");
  if (absl::StrContains(relative, absl::string_view("\0", 1))) return refuse("contains a NUL byte");
  if (relative.front() == '/') return refuse("is absolute; it must be relative");
  if (root.size() + 1 + relative.size() >= PATH_MAX || IsPathTooLong(relative)) {
    return refuse("is too long");
  }
  for (const absl::string_view part : absl::StrSplit(relative, '/')) {
    if (part == "..") return refuse("points outside its directory");
  }
  return absl::StrCat(root, absl::EndsWith(root, "/") || root.empty() ? "" : "/", relative);
}

}  // namespace rcnn

// Reads and writes whole files so that a crash never leaves a partial file.
//
// A write goes to a temporary file in the same directory, which is synced, renamed
// over the target, and made durable by syncing the directory: a reader of the path
// sees either the old bytes or the new ones. Reads have a size limit and check the
// digest if it is known. Map files that are too large to hold in memory. File
// formats are parsed elsewhere, from the bytes read here.
//
// Errors name the path and the meaning of errno: kNotFound, kPermissionDenied,
// kInvalidArgument (not a regular file), kResourceExhausted (disk full, or over the
// limit), kDataLoss (checksum), kUnavailable otherwise.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(FileDigest digest, WriteFileAtomically(path, bytes));
//   RCNN_ASSIGN_OR_RETURN(std::string same, ReadFile(path, {.expected = digest}));

#ifndef RCNN_BASE_FILE_IO_H_
#define RCNN_BASE_FILE_IO_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rcnn {

// Size in bytes and CRC-32C (RFC 3720, Appendix B.4) of a file's contents.
struct FileDigest {
  int64_t size = 0;
  uint32_t crc32c = 0;

  bool operator==(const FileDigest& other) const {
    return size == other.size && crc32c == other.crc32c;
  }
};

FileDigest Digest(absl::string_view bytes);

struct ReadOptions {
  // A larger file is an error before anything is allocated.
  int64_t max_bytes = int64_t{1} << 30;
  // If set, contents with another digest are kDataLoss.
  std::optional<FileDigest> expected = std::nullopt;
};

// Returns the contents of a regular file (a directory, a device or a pipe is an
// error).
absl::StatusOr<std::string> ReadFile(const std::string& path, const ReadOptions& options = {});

// Replaces or creates the file at `path`, with mode 0644 less the umask, and returns
// its digest. The directory must exist. On an error the old file is untouched and
// the temporary one removed, except that the new file is in place if only syncing
// the directory failed. kUnavailable, saying so, for a path that leaves no room for the
// name of the temporary file (IsPathTooLongToWrite, path_length.h).
absl::StatusOr<FileDigest> WriteFileAtomically(const std::string& path, absl::string_view bytes);

// The same for data written in pieces. Without Commit() the target is unchanged.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::Create(path));
//   for (const std::string& piece : pieces) RCNN_RETURN_IF_ERROR(file.Append(piece));
//   RCNN_RETURN_IF_ERROR(file.Commit().status());
class AtomicFile {
 public:
  static absl::StatusOr<AtomicFile> Create(const std::string& path);

  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&& other) noexcept;
  ~AtomicFile();

  // kFailedPrecondition after Commit() or a failed write.
  absl::Status Append(absl::string_view bytes);

  // Replaces the file with the appended data. Call it once; any later call is
  // kFailedPrecondition.
  absl::StatusOr<FileDigest> Commit();

 private:
  AtomicFile(std::string path, std::string temporary, int descriptor);
  void Discard();

  std::string path_;
  std::string temporary_;
  int descriptor_ = -1;  // -1: committed, moved from, or discarded
  FileDigest digest_;
};

// Creates a file without a name in the directory of `path`, for temporary data, and returns its
// descriptor, open for reading and writing. The caller closes it, which frees the space. For a
// moment the file has a name like those of AtomicFile's temporary files, which a killed process may
// leave.
absl::StatusOr<int> CreateUnnamedFile(const std::string& path);

// A read-only, memory-mapped file. The bytes stay valid until destruction; the file
// must not be truncated until then (files written atomically never are). What becomes of the
// program if it is, or if the disk cannot read a page: mapping_error.h.
class MappedFile {
 public:
  static absl::StatusOr<MappedFile> Open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  absl::string_view bytes() const {
    return absl::string_view(static_cast<const char*>(address_), static_cast<size_t>(size_));
  }

  // Gives back the process's pages of these bytes, which have been read; whole pages alone. A later
  // access reads them again, from the system's cache as a rule. Does nothing outside bytes().
  // Thread-safe.
  void ReleasePages(absl::string_view read) const;

 private:
  MappedFile(void* address, int64_t size) : address_(address), size_(size) {}

  void* address_ = nullptr;  // null when the file is empty
  int64_t size_ = 0;
};

// Creates a directory and its parents; an existing directory is fine.
absl::Status CreateDirectories(const std::string& path);

// Makes renames and removals inside a directory durable.
absl::Status SyncDirectory(const std::string& path);

// Joins `root` and a relative path from untrusted data. kInvalidArgument if the path
// is empty, the result could be outside `root` (an absolute path, a ".." component,
// a NUL), or no file can have it: the path or a component is too long.
absl::StatusOr<std::string> JoinInside(absl::string_view root, absl::string_view relative);

}  // namespace rcnn

#endif  // RCNN_BASE_FILE_IO_H_

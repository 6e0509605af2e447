// The state of a path, with damage distinguished from temporary errors.
//
// A file that is missing, cut off or changed is damaged, and may be recomputed. A file
// that cannot be read at present (EACCES, EIO, ESTALE, ENOMEM) may be intact, and
// treating it as damaged would replace good results. The functions here distinguish the
// two; std::filesystem::exists and directory_iterator with an ignored error do not. For
// the contents of a file see file_io.h.
//
// Example:
//   const absl::Status status = CheckStoredFile(path, digest);
//   if (!status.ok() && !IsDamage(status)) return status;   // nothing is known: stop

#ifndef RCNN_BASE_STORED_FILE_H_
#define RCNN_BASE_STORED_FILE_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/file_io.h"

namespace rcnn {

// Whether `path` exists, including a dangling link. An error if the file system cannot
// tell.
absl::StatusOr<bool> PathExists(const std::string& path);

// Whether `path` is a regular file, without following links. Errors as above.
absl::StatusOr<bool> IsRegularFile(const std::string& path);

// What is at `path` (a directory, a link, a pipe, …), without following links; not_found if it does
// not exist. Errors as above.
absl::StatusOr<std::filesystem::file_type> PathType(const std::string& path);

// What `path` leads to, through links; not_found if that does not exist, and for a path that no
// file can have (path_length.h). Errors as above, also for a link to itself.
absl::StatusOr<std::filesystem::file_type> TargetType(const std::string& path);

// Whether both paths lead to one file or directory, through links. False if either does not exist,
// or is a link as IsBrokenLink says. Errors as above.
absl::StatusOr<bool> LeadToSameFile(const std::string& a, const std::string& b);

// Whether `path` is a link that leads nowhere or to itself, which nobody can read. Errors as above.
absl::StatusOr<bool> IsBrokenLink(const std::string& path);

// The names in a directory, sorted by bytes; none if the directory is missing. An
// error if it cannot be listed completely.
absl::StatusOr<std::vector<std::string>> ListNames(const std::string& directory);

// Passes the bytes of a regular file to `take`, in pieces of at most 256 KiB, from its beginning to
// its end or to the first error of `take`, which is returned. The file is not mapped: an error of
// the disk is a status, where a mapping would end the process with SIGBUS.
absl::Status ReadInPieces(const std::string& path,
                          absl::FunctionRef<absl::Status(absl::string_view)> take);

// The contents of a file that has at most `max_bytes` if it is intact: a larger one is kDataLoss,
// which is damage, where that of ReadFile is kResourceExhausted, like a full disk, and is not read.
// Other errors as those of ReadFile.
absl::StatusOr<std::string> ReadSmallFile(const std::string& path, int64_t max_bytes);

// Size and checksum of a regular file, read in pieces.
absl::StatusOr<FileDigest> ComputeFileDigest(const std::string& path);

// kDataLoss, saying what differs, if the file is missing, is not a regular file, or
// has another size or checksum than `expected`. A file of another size is not read, so that its
// size costs no time. Other codes: it cannot be read now.
absl::Status CheckStoredFile(const std::string& path, const FileDigest& expected);

// Atomically replaces `to` with a copy of `from`, if `from` has that digest. On an error,
// such as kDataLoss if `from` is damaged, `to` is unchanged. Copies in pieces, for any
// size.
absl::Status CopyStoredFile(const std::string& from, const std::string& to,
                            const FileDigest& expected);

// Whether a read error means that the file is missing or damaged, rather than that it
// cannot be read now.
bool IsDamage(const absl::Status& status);

// Whether a read error says nothing about the file (EACCES, EIO, ESTALE, ENOMEM): it may be whole,
// and who goes on without it makes something else than with it.
bool IsUnreadableNow(const absl::Status& status);

// Stores `status` in `kept` if it is such an error and `kept` is not one yet: for readers that go
// on to the next file, and fail with the first of these errors at the end.
void KeepUnreadable(const absl::Status& status, absl::Status& kept);

// Makes a file's bytes durable.
absl::Status SyncFile(const std::string& path);

// Renames durably: both directories are synced.
absl::Status RenamePath(const std::string& from, const std::string& to);

// Deletes a file, or a directory with its contents. A missing path is not an error. Of a link only
// the link is deleted.
absl::Status RemovePath(const std::string& path);

// Deletes what is at `path`, after renaming it with this suffix, so that nobody finds a part of it
// if the process is stopped meanwhile. What an earlier call has left there is deleted too.
// kNotFound if nothing is at `path`.
absl::Status RenameAndRemove(const std::string& path, absl::string_view suffix);

// The first of "<path>.before", "<path>.before-2", "<path>.before-3", … that does not exist.
absl::StatusOr<std::string> FreePathBeside(const std::string& path);

// Makes room for a write to `path`, which replaces a regular file and nothing else: deletes an
// empty directory, a pipe, a socket, a device, and a link to any of them, and renames a directory
// with contents to FreePathBeside(path). Does nothing if `path` is missing, a regular file, or a
// link that leads to one or nowhere.
absl::Status MakeWayForFile(const std::string& path);

}  // namespace rcnn

#endif  // RCNN_BASE_STORED_FILE_H_

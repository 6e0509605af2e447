// What the file system says about a file: enough to tell whether it may have changed, without
// reading it.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const FileState before, ReadFileState(path));
//   RCNN_ASSIGN_OR_RETURN(const FileState now, ReadFileState(path));
//   const bool unchanged = now == before;

#ifndef RCNN_BASE_FILE_STATE_H_
#define RCNN_BASE_FILE_STATE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace rcnn {

// Two equal states mean the same contents, with one exception: file systems count time in steps of
// some milliseconds, so a file that is changed twice within a step may look unchanged.
struct FileState {
  uint64_t device = 0, inode = 0;
  int64_t size = 0;
  int64_t modified_ns = 0;  // since 1970; programs can set it
  int64_t changed_ns = 0;   // the same for contents or inode; programs cannot set it

  bool operator==(const FileState& other) const;

  // "size=3 modified=... changed=... device=... inode=...": for storing and comparing.
  std::string ToString() const;
};

// Of the file that `path` leads to. The errors of errno_status.h; kInvalidArgument if it is not a
// regular file.
absl::StatusOr<FileState> ReadFileState(const std::string& path);

}  // namespace rcnn

#endif  // RCNN_BASE_FILE_STATE_H_

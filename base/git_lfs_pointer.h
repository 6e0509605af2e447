// The small text that Git LFS leaves in place of a large file that was not fetched.
//
// Readers of files that are often large enough for Git LFS check for it first, because their
// parsers' errors would not help.
//
// Source: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
//
// Example:
//   if (IsGitLfsPointer(bytes)) return absl::InvalidArgumentError(kGitLfsPointer);

#ifndef RCNN_BASE_GIT_LFS_POINTER_H_
#define RCNN_BASE_GIT_LFS_POINTER_H_

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace rcnn {

inline constexpr char kGitLfsPointer[] =
    "a Git LFS pointer, not the file itself: fetch it with `git lfs pull`";

// Whether a file's first bytes, or all of them, are such a pointer's.
inline bool IsGitLfsPointer(absl::string_view bytes) {
  return absl::StartsWith(bytes, "version https://git-lfs.github.com/spec/");
}

}  // namespace rcnn

#endif  // RCNN_BASE_GIT_LFS_POINTER_H_

// The user's folder for files that can be computed again.
//
// Programs work without it: what is kept there saves time alone, and users may delete it at any
// time.
//
// Example:
//   const std::string folder = UserCacheFolder("image_hashes");

#ifndef RCNN_BASE_USER_CACHE_H_
#define RCNN_BASE_USER_CACHE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rcnn {

// $XDG_CACHE_HOME/rcnn/NAME, else $HOME/.cache/rcnn/NAME, and "" where neither variable is an
// absolute path. Creates nothing.
//
// Source: XDG Base Directory Specification 0.8.
std::string UserCacheFolder(absl::string_view name);

// Creates `folder` and its parents if they are missing. Only this user can open a new folder,
// because what is kept there may have been made from files that others cannot read. A folder that
// exists keeps its permissions. The errors of errno_status.h.
absl::Status CreateCacheFolder(const std::string& folder);

// Deletes regular files in `folder`, those with the oldest modification time first, until the rest
// takes at most `max_bytes`. Counts and deletes only files whose name contains `marker`, so that
// other files are safe if the user names a folder that has some. Files that another process has
// deleted meanwhile are skipped; a missing folder is empty. An error if the folder cannot be listed
// or a file cannot be deleted.
absl::Status LimitFolderBytes(const std::string& folder, absl::string_view marker,
                              int64_t max_bytes);

}  // namespace rcnn

#endif  // RCNN_BASE_USER_CACHE_H_

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

// Deletes regular files in `folder`, those with the oldest modification time first, until the rest
// takes at most `max_bytes`. Files that another process has deleted meanwhile are skipped; a
// missing folder is empty. An error if the folder cannot be listed or a file cannot be deleted.
absl::Status LimitFolderBytes(const std::string& folder, int64_t max_bytes);

}  // namespace rcnn

#endif  // RCNN_BASE_USER_CACHE_H_

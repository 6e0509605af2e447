// Absolute paths in a program whose current directory may have been deleted.
//
// std::filesystem::absolute and current_path throw there, or, if the error is ignored, leave the
// path relative.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const std::string path, AbsolutePath("cells/1.jpg"));

#ifndef RCNN_BASE_ABSOLUTE_PATH_H_
#define RCNN_BASE_ABSOLUTE_PATH_H_

#include <string>

#include "absl/status/statusor.h"

namespace rcnn {

// The path of the current directory and `path`; an absolute `path` is unchanged. "" is the current
// directory. Links, "." and ".." stay. kUnavailable, naming a relative path, if the current
// directory has been deleted, or the file system does not tell its path now.
absl::StatusOr<std::string> AbsolutePath(const std::string& path);

}  // namespace rcnn

#endif  // RCNN_BASE_ABSOLUTE_PATH_H_

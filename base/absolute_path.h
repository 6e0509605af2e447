// Absolute paths, and paths without links, where the file system may be unable to tell them.
//
// The current directory may have been deleted, and a link may be unreadable now. The functions of
// std::filesystem then throw, or, if the error is ignored, return a path that is still relative, or
// none.
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

// The same without links, "." and "..": two paths of one file give the same. The parts at its end
// that do not exist stay; links that lead nowhere count among them. Of a path that no file can have
// (path_length.h), and of what has no path, such as the pipe behind /dev/stdout, links stay. The
// errors above, and those of errno_status.h, such as for a link to
// itself.
absl::StatusOr<std::string> ResolvedPath(const std::string& path);

}  // namespace rcnn

#endif  // RCNN_BASE_ABSOLUTE_PATH_H_

// The names of images in results.
//
// Example:
//   // {"a/1.png", "b/1.jpg"}
//   RCNN_ASSIGN_OR_RETURN(const auto names, ListNames({"in/a/1.png", "in/b/1.jpg"}));
//   DrawnNames({"a/1.png", "b/1.jpg"});      // {"a/1.jpg", "b/1.jpg"}

#ifndef RCNN_TOOLS_DETECT_NAMES_H_
#define RCNN_TOOLS_DETECT_NAMES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace rcnn::tools {

// Each path relative to the deepest common folder: short and unique. `paths` are
// unique files, relative to the current directory or absolute. The errors of AbsolutePath.
absl::StatusOr<std::vector<std::string>> ListNames(const std::vector<std::string>& paths);

// Unique names of JPEG files: the extension becomes ".jpg", or ".jpg" is appended
// if another image or a folder of images has that name. If the file's name would then have more
// than 255 bytes, the most that a file system allows, bytes at its beginning are left out, since
// names of one dataset often begin alike; UTF-8 is not cut inside a character. The same
// names give the same result.
std::vector<std::string> DrawnNames(const std::vector<std::string>& names);

}  // namespace rcnn::tools

#endif  // RCNN_TOOLS_DETECT_NAMES_H_

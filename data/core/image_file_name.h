// Image file names as annotations give them, from any system and any folder.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(std::string name, NameInFolder("images", R"(sub\a.jpg)"));

#ifndef RCNN_DATA_CORE_IMAGE_FILE_NAME_H_
#define RCNN_DATA_CORE_IMAGE_FILE_NAME_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rcnn::data {

// The name relative to `folder`, with '/' between its parts: backslashes of Windows
// become '/' (unless a file has one in its name), and the path of the folder is
// removed from an absolute name. Other names are unchanged. "" is the current folder.
//
// kInvalidArgument for a name outside the folder: with "..", absolute and elsewhere, or
// with a drive. kUnavailable or kPermissionDenied if a path that decides this cannot be examined
// now: the name may be one inside the folder.
absl::StatusOr<std::string> NameInFolder(absl::string_view folder, absl::string_view name);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_IMAGE_FILE_NAME_H_

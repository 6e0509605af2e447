// The name of this machine, for messages and names of files.
//
// Example:
//   const std::string where = absl::StrCat("on ", HostName());

#ifndef RCNN_BASE_HOST_NAME_H_
#define RCNN_BASE_HOST_NAME_H_

#include <string>

#include "absl/strings/string_view.h"

namespace rcnn {

// At most 255 bytes; `otherwise` if the machine has no name.
std::string HostName(absl::string_view otherwise = "unknown");

}  // namespace rcnn

#endif  // RCNN_BASE_HOST_NAME_H_

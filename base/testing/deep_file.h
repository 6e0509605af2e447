// Files whose path is longer than system calls take (PATH_MAX, 4096 bytes), for tests of programs
// that meet one.
//
// Example:
//   WriteDeepFile(DeepPath("in", 4100) + "/a.jpg", "x");

#ifndef RCNN_BASE_TESTING_DEEP_FILE_H_
#define RCNN_BASE_TESTING_DEEP_FILE_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace rcnn {

// `path`, and as many folders of 250 bytes in each other below it as make it at least `bytes` long.
std::string DeepPath(std::string path, size_t bytes);

// Writes a file, and makes its folders, however long the path is. The test fails if it cannot.
void WriteDeepFile(absl::string_view path, absl::string_view bytes);

}  // namespace rcnn

#endif  // RCNN_BASE_TESTING_DEEP_FILE_H_

// An empty directory for the running test.

#ifndef RCNN_BASE_TESTING_FRESH_DIRECTORY_H_
#define RCNN_BASE_TESTING_FRESH_DIRECTORY_H_

#include <string>

#include "absl/strings/string_view.h"

namespace rcnn {

// Creates it, after deleting the remains of earlier runs and calls. A test that needs several gives
// each a name. The path has no slash at its end. Only while a test runs, so not in SetUpTestSuite.
// Throws std::filesystem::filesystem_error if it cannot be deleted or created.
std::string FreshDirectory(absl::string_view name = "");

}  // namespace rcnn

#endif  // RCNN_BASE_TESTING_FRESH_DIRECTORY_H_

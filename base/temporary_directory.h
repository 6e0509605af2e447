// A directory in the system's temporary folder that is removed with the object.
//
// Example:
//   const TemporaryDirectory temporary("rcnn_split");
//   RCNN_RETURN_IF_ERROR(temporary.status());
//   RCNN_RETURN_IF_ERROR(WriteFileAtomically(temporary.path() + "/train.txt", "a.jpg\n").status());

#ifndef RCNN_BASE_TEMPORARY_DIRECTORY_H_
#define RCNN_BASE_TEMPORARY_DIRECTORY_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rcnn {

class TemporaryDirectory {
 public:
  // Makes <temporary folder>/<prefix>_XXXXXX, readable by this user alone.
  explicit TemporaryDirectory(absl::string_view prefix);
  // Removes it with all that is in it; errors are ignored.
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  // OK if the directory was made; otherwise an error of errno_status.h with the path. To be checked
  // before anything is written: below an empty path lies the root of the file system.
  const absl::Status& status() const { return status_; }
  // Without a slash at the end. Empty if the directory could not be made.
  const std::string& path() const { return path_; }

 private:
  absl::Status status_;
  std::string path_;
};

}  // namespace rcnn

#endif  // RCNN_BASE_TEMPORARY_DIRECTORY_H_

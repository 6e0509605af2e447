// An append-only file of records, for logs.
//
// Each record is one write: after a kill all records are complete except possibly
// the last. For files that must never be seen partly written, see base/file_io.h.

#ifndef RCNN_TRAINING_TRAINER_APPEND_FILE_H_
#define RCNN_TRAINING_TRAINER_APPEND_FILE_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rcnn::training {

class AppendFile {
 public:
  // Opens the file for appending; creates it if missing, in a directory that exists. A link is not
  // followed, and is an error: it may lead to any file of the user. Errors name the path and the
  // meaning of errno.
  static absl::StatusOr<AppendFile> Open(const std::string& path);

  // Creates the file. kAlreadyExists if anything is in its place, also a link that leads nowhere.
  static absl::StatusOr<AppendFile> Create(const std::string& path);

  AppendFile(AppendFile&& other) noexcept
      : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}
  AppendFile& operator=(AppendFile&& other) noexcept;
  ~AppendFile();

  const std::string& path() const { return path_; }

  // Passes all of `record` to the operating system before it returns. On an error
  // (kResourceExhausted if the disk is full) the file is unchanged.
  absl::Status Append(absl::string_view record);

  // Makes the appended records durable: they survive a power cut.
  absl::Status Sync();

 private:
  AppendFile(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}

  std::string path_;
  int descriptor_ = -1;
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_APPEND_FILE_H_

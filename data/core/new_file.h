// Writes the files of a new dataset, which replace no others.
//
// The folder may be that of another dataset, even of the one that is being written, or have images
// of the same names from another source. A file that is already there with the same contents is
// one that an interrupted process has left, so the same command may be repeated.
//
// Example:
//   RCNN_RETURN_IF_ERROR(CheckReplacesNone(list_path, list));   // before the images are written
//   RCNN_RETURN_IF_ERROR(WriteNewFile(image_path, png));
//   RCNN_RETURN_IF_ERROR(WriteNewFile(list_path, list));

#ifndef RCNN_DATA_CORE_NEW_FILE_H_
#define RCNN_DATA_CORE_NEW_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rcnn::data {

// kAlreadyExists, naming the path, if a file with other contents, or something that is not a file,
// is there. Other codes: it cannot be examined now.
absl::Status CheckReplacesNone(const std::string& path, absl::string_view bytes);

// Writes the file atomically if there is none. Errors: those of CheckReplacesNone and
// WriteFileAtomically.
absl::Status WriteNewFile(const std::string& path, absl::string_view bytes);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_NEW_FILE_H_

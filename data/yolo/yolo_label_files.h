// Finds the label files of images.
//
// The label file of "a/b.jpg" is "a/b.txt". Some tools write "a/b.TXT", others "a/b.jpg.txt";
// without looking for them their objects would silently be missing, because an image without
// a label file has no objects.
//
// Example:
//   YoloLabelFiles files("set/labels");
//   RCNN_ASSIGN_OR_RETURN(const YoloLabelFile labels, files.Read("a/b.jpg"));
//   labels.name;  // "a/b.txt", relative to the folder; "" if the image has no label file
//   labels.text;

#ifndef RCNN_DATA_YOLO_YOLO_LABEL_FILES_H_
#define RCNN_DATA_YOLO_YOLO_LABEL_FILES_H_

#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/data/core/folder_listing.h"

namespace rcnn::data {

struct YoloLabelFile {
  // Relative to the folder; "" if there is none.
  std::string name = {};
  // In UTF-8.
  std::string text = {};
};

class YoloLabelFiles {
 public:
  // `folder` may be missing: then no image has a label file.
  explicit YoloLabelFiles(std::string folder, const ListingOptions& options = {});

  // The label file of an image, whose path is relative to the folder of images. Lists the folder
  // at the first image whose file does not have the usual name. Errors: those of ReadFile except
  // kNotFound, of ToUtf8 (data/core/text_encoding.h), of ListFiles, and kInvalidArgument for more
  // lines than fit the size of the file (data/core/record_limit.h).
  absl::StatusOr<YoloLabelFile> Read(absl::string_view image);

 private:
  absl::Status List();

  const std::string folder_;
  const ListingOptions options_;
  bool listed_ = false;
  // From a path without ".txt", in any case, to the file.
  absl::flat_hash_map<std::string, std::string> others_;
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_YOLO_YOLO_LABEL_FILES_H_

// Recognises the format of an annotation file by its content.
//
// Recognition of a folder reads a few files of each subfolder. Unsupported formats are
// recognised too, so that a message can name them.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const FileKind found, ReadFileKind("cells/a.json"));
//   if (found.kind == AnnotationKind::kLabelMe) std::cout << "a.json is LabelMe's\n";

#ifndef RCNN_DATA_SOURCES_FILE_KIND_H_
#define RCNN_DATA_SOURCES_FILE_KIND_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace rcnn::data {

enum class AnnotationKind {
  kNone,  // none of the formats below; `obstacle` may say why
  kVoc,
  kCoco,
  kYolo,
  kLabelMe,
  kCvat,
  kCsv,
  kImageList,  // names of images, one per line
};

struct FileKind {
  AnnotationKind kind = AnnotationKind::kNone;
  // Why a file is not read: "looks like KITTI (text), which is not supported". "" if it is, or is
  // not recognised.
  std::string obstacle;
  // It is text without a line.
  bool empty = false;
  // COCO: the first of its file names.
  std::vector<std::string> images;
};

// Files with the extension .xml, .json, .txt or .csv, in upper or lower case, are recognised by
// their content. All others are kNone. One that is missing, a Git LFS pointer, JSON in UTF-16 and
// the formats of other programs have an obstacle. An error says that the file cannot be read now
// (IsUnreadableNow, base/stored_file.h).
absl::StatusOr<FileKind> ReadFileKind(const std::string& path);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SOURCES_FILE_KIND_H_

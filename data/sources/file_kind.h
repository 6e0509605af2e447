// Recognises the format of an annotation file by its content.
//
// Recognition of a folder reads a few files of each subfolder. Unsupported formats are
// recognised too, so that a message can name them.
//
// Example:
//   ReadFileKind("cells/a.json").kind == AnnotationKind::kLabelMe;

#ifndef RCNN_DATA_SOURCES_FILE_KIND_H_
#define RCNN_DATA_SOURCES_FILE_KIND_H_

#include <string>
#include <vector>

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
  // COCO: the first of its file names.
  std::vector<std::string> images;
};

// Files with the extension .xml, .json, .txt or .csv, in upper or lower case, are recognised by
// their content. All others, and unreadable files, are kNone. One that cannot be opened, a Git LFS
// pointer, JSON in UTF-16 and the formats of other programs have an obstacle.
FileKind ReadFileKind(const std::string& path);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SOURCES_FILE_KIND_H_

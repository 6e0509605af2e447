// Recognises the format of an annotation file by its content.
//
// Recognition of a folder reads a few files of each subfolder. Unsupported formats are
// recognised too, so that an error can name them.
//
// Example:
//   ReadFileKind("cells/a.json").kind == AnnotationKind::kLabelMe;

#ifndef RCNN_DATA_SOURCES_FILE_KIND_H_
#define RCNN_DATA_SOURCES_FILE_KIND_H_

#include <string>
#include <vector>

namespace rcnn::data {

enum class AnnotationKind {
  kNone,  // none of the formats below; `looks_like` may name another
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
  // An unsupported format: "VGG Image Annotator (JSON)". "" if it is not recognised.
  std::string looks_like;
  // COCO: the first of its file names.
  std::vector<std::string> images;
};

// Files with the extension .xml, .json, .txt or .csv, in upper or lower case, are recognised by
// their content. All others, and unreadable files, are kNone.
FileKind ReadFileKind(const std::string& path);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SOURCES_FILE_KIND_H_

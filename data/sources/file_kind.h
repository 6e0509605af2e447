// Recognises an annotation file by its beginning, whatever its name.
//
// Recognition of a folder reads a few files of each subfolder. Unsupported formats are
// recognised too, so that an error can say what a folder looks like.
//
// Example:
//   ReadFileKind("cells/a.json").kind == AnnotationKind::kLabelMe;

#ifndef RCNN_DATA_SOURCES_FILE_KIND_H_
#define RCNN_DATA_SOURCES_FILE_KIND_H_

#include <string>
#include <vector>

namespace rcnn::data {

enum class AnnotationKind {
  kNone,  // none of those below; `looks_like` may know more
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

// Decides by the extension .xml, .json, .txt or .csv, in any case, and the content. An
// unreadable file is kNone.
FileKind ReadFileKind(const std::string& path);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SOURCES_FILE_KIND_H_

// Writes datasets in the PASCAL VOC layout that voc_reader.h reads.
//
// Example:
//   RCNN_RETURN_IF_ERROR(WriteVoc(*dataset, "out", {.split = "train"}));

#ifndef RCNN_DATA_VOC_VOC_WRITER_H_
#define RCNN_DATA_VOC_VOC_WRITER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/sample.h"

namespace rcnn::data {

struct VocWriteOptions {
  // Name of the list in ImageSets/Main.
  std::string split = "trainval";
};

// The XML of one image, corners 1-based and inclusive. Numbers are written with
// enough digits to read back exactly.
std::string VocAnnotationXml(const ImageInfo& info, absl::string_view file_name,
                             const std::vector<Object>& objects, const ClassList& classes);

// Writes Annotations, JPEGImages (as lossless PNG) and ImageSets/Main/SPLIT.txt
// into `folder`, which is created if missing.
//
// kInvalidArgument for an image whose name cannot be a file name or a line of a list (a line
// break, spaces around it), and if two images would be written to the same file; kAlreadyExists
// if one would replace a file with other contents (new_file.h), and before anything is written if
// the list would; otherwise the errors of loading and writing.
absl::Status WriteVoc(const Dataset& dataset, const std::string& folder,
                      const VocWriteOptions& options);

}  // namespace rcnn::data

#endif  // RCNN_DATA_VOC_VOC_WRITER_H_

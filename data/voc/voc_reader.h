// Reads a PASCAL VOC dataset: the devkit's folder of one year, or any folder with
// its layout.
//
//   FOLDER/Annotations/NAME.xml          one per image
//   FOLDER/JPEGImages/NAME.jpg           or .jpeg, .png, .bmp, .webp
//   FOLDER/ImageSets/Main/SPLIT.txt      one NAME per line, with or without
//                                        extension; a last column of -1, 0 or 1
//                                        (the lists per class) is ignored
//
// An image is found by NAME, else by the annotation's <filename> in JPEGImages; a
// <filename> that leads out of JPEGImages is a defect and is not followed. The size
// of every image is read from its header and compared with the annotation.
//
// Without a class list in the config the classes are all names in
// FOLDER/Annotations, sorted. They come from every file, not only those of the
// split, so that train and test splits agree on the labels.
//
// Two equal corners mean zero size even with inclusive pixels: in practice every
// such box is an annotation error.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(AnnotationTable table, ReadVoc(config, "VOCdevkit/VOC2007"));

#ifndef RCNN_DATA_VOC_VOC_READER_H_
#define RCNN_DATA_VOC_VOC_READER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/annotation_table.h"

namespace rcnn::data {

// Where the files lie that are not in the devkit's folders; "": where they are.
struct VocFolders {
  std::string annotations = {};
  std::string images = {};
};

// Returns the annotations of the split named by `config`, whose source is voc.
//
// Defects go to the table's report or, depending on the policy, are the error.
// Other errors: kNotFound for a missing folder or list, kInvalidArgument for
// duplicate names in the class list, and if no images are left.
absl::StatusOr<AnnotationTable> ReadVoc(const configs::DatasetConfig& config,
                                        const std::string& folder, VocFolders folders = {});

}  // namespace rcnn::data

#endif  // RCNN_DATA_VOC_VOC_READER_H_

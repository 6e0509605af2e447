// Reads a PASCAL VOC dataset: the devkit's folder of one year, or any folder with
// its layout.
//
//   FOLDER/Annotations/NAME.xml          one per image
//   FOLDER/JPEGImages/NAME.jpg           or .jpeg, .png, .bmp, .webp
//   FOLDER/ImageSets/Main/SPLIT.txt      one NAME per line, with or without
//                                        extension; a last column of -1, 0 or 1
//                                        (the lists per class) is ignored, unless
//                                        an annotated NAME ends in it
//
// An image is found by NAME, else by the annotation's <filename> in JPEGImages; a
// <filename> that leads out of JPEGImages is a defect and is not followed. The size
// of every image is read from its header; another size in the annotation is a
// defect, and the header's is used.
//
// Without a class list in the config, the classes are the object names in
// FOLDER/Annotations, sorted. They come from every file, not only those of the
// split, so that train and test splits agree on the labels.
//
// A box with xmin == xmax or ymin == ymax is a defect of zero size, although it is
// one pixel wide where corners are inclusive: in practice such boxes are annotation
// errors.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(AnnotationTable table, ReadVoc(config, "VOCdevkit/VOC2007"));

#ifndef RCNN_DATA_VOC_VOC_READER_H_
#define RCNN_DATA_VOC_VOC_READER_H_

#include <string>

#include "absl/status/statusor.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/annotation_table.h"

namespace rcnn::data {

// Folders to read instead of the devkit's. "" means FOLDER/Annotations and
// FOLDER/JPEGImages.
struct VocFolders {
  std::string annotations = {};
  std::string images = {};
};

// Reads the split that `config.voc()` names, or every annotated image if it names none.
//
// Defects are recorded in the table's report or, if the config's policy says so,
// returned as the error. Otherwise returns kNotFound if a folder or the split's list is
// missing, and kInvalidArgument for an empty list, a split name that leaves
// ImageSets/Main, no class names or duplicate ones, and if no images are left. A file that cannot
// be read now (base/stored_file.h) is not a defect but an error.
absl::StatusOr<AnnotationTable> ReadVoc(const configs::DatasetConfig& config,
                                        const std::string& folder, VocFolders folders = {});

}  // namespace rcnn::data

#endif  // RCNN_DATA_VOC_VOC_READER_H_

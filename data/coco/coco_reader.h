// Reads a COCO dataset: an instances file and the folder of its images.
//
// Images and objects keep the ids and the order of the file. Labels 1..K follow the
// config's class list, by default all categories by id, even if the ids have gaps.
// Images without annotations are kept, unless the config leaves them out. Without a folder
// of images the annotations are usable, but loading an image is an error.
//
// By default not every image is checked for existence (118,000 of them would take
// longer than everything else). A missing image is an error when it is loaded. A
// folder without any of a sample of the images is an error at once.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(AnnotationTable table,
//                         ReadCoco(config, "instances_val2017.json", "val2017", {}));

#ifndef RCNN_DATA_COCO_COCO_READER_H_
#define RCNN_DATA_COCO_COCO_READER_H_

#include <string>

#include "absl/status/statusor.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/coco/coco_instances.h"
#include "rcnn/data/core/annotation_table.h"

namespace rcnn::data {

struct CocoReadOptions {
  // Read the header of every image. A missing or unreadable image, or one with
  // another size than annotated, is a defect; one that cannot be read now (base/stored_file.h) an
  // error.
  bool check_images = false;
};

// Returns the annotations of `instances_file` for the images in
// `images_folder`, "" for none.
//
// Defects go to the table's report or, depending on the policy, are the error. The
// object index of a defect is the position in "annotations". Other errors: those of
// ReadCocoInstances, a class of the config that the file does not have
// (kInvalidArgument), and a folder that has none of the images (kNotFound).
absl::StatusOr<AnnotationTable> ReadCoco(const configs::DatasetConfig& config,
                                         const std::string& instances_file,
                                         const std::string& images_folder,
                                         const CocoReadOptions& options);

// The same for instances already read; messages show `file` as their name.
absl::StatusOr<AnnotationTable> MakeCocoTable(const configs::DatasetConfig& config,
                                              CocoInstances instances, const std::string& file,
                                              const std::string& images_folder,
                                              const CocoReadOptions& options);

}  // namespace rcnn::data

#endif  // RCNN_DATA_COCO_COCO_READER_H_

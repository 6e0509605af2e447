// Reads a COCO dataset: an instances file and the folder of its images.
//
// Images and objects keep the ids and the order of the file. Labels 1..K follow
// the config's class list, by default all categories by id, whatever gaps the
// ids have. An image without annotations stays. Without a folder of images
// the annotations can be worked with and loading an image is an error.
//
// That the images are there is not checked for each (118,000 would take
// longer than everything else) unless asked for; a missing one is an error when
// it is loaded, and a folder with none of a sample of them at once.
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
  // Reads the header of every image: a missing or unreadable one, and one of
  // another size than the file says, becomes a defect.
  bool check_images = false;
};

// Returns the annotations of `instances_file` for the images in
// `images_folder`, "" for none.
//
// Defects go to the table's report, or are the error, by the policy; the object
// index in a defect is the place in "annotations". Other errors: those of
// ReadCocoInstances, a class of the config that the file does not have
// (kInvalidArgument), and a folder that has none of the images (kNotFound).
absl::StatusOr<AnnotationTable> ReadCoco(const configs::DatasetConfig& config,
                                         const std::string& instances_file,
                                         const std::string& images_folder,
                                         const CocoReadOptions& options);

// The same for instances that were read already; `file` names them in messages.
absl::StatusOr<AnnotationTable> MakeCocoTable(const configs::DatasetConfig& config,
                                              CocoInstances instances, const std::string& file,
                                              const std::string& images_folder,
                                              const CocoReadOptions& options);

}  // namespace rcnn::data

#endif  // RCNN_DATA_COCO_COCO_READER_H_

// The images of a COCO file: located in a folder, measured where that is asked for, each once even
// if several records list it, and with the orientation that its boxes are in.
//
// Not every image is read, nor even checked for existence: 118,000 of them would take longer than
// everything else. A folder without any of a sample of the images is an error.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(
//       CocoImagePlaces places,
//       AddCocoImages(config, instances.images, {file, images_folder, check_images}, table));

#ifndef RCNN_DATA_COCO_COCO_IMAGES_H_
#define RCNN_DATA_COCO_COCO_IMAGES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/coco/coco_instances.h"
#include "rcnn/data/core/annotation_table.h"

namespace rcnn::data {

struct CocoImageSource {
  // The name of the instances file, for messages.
  const std::string& file;
  // "": none; images then have no path.
  const std::string& images_folder;
  // Read the header of every image. Otherwise of those without a size, and of all if the annotated
  // sizes decide the orientation (DatasetConfig.exif_orientation).
  bool check_images = false;
};

// Image id -> index in AnnotationTable::images; -1 for a dropped image.
using CocoImagePlaces = absl::flat_hash_map<int64_t, int64_t>;

// Adds `images` to a table without images, in their order, and their defects to its report. Returns
// the place of each id. kInvalidArgument if two records of one file differ in size; kNotFound if
// the folder has none of the images; the error of an image that cannot be read now
// (base/stored_file.h).
absl::StatusOr<CocoImagePlaces> AddCocoImages(const configs::DatasetConfig& config,
                                              std::vector<CocoImage> images,
                                              const CocoImageSource& source,
                                              AnnotationTable& table);

}  // namespace rcnn::data

#endif  // RCNN_DATA_COCO_COCO_IMAGES_H_

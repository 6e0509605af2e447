// All annotations of a dataset in files, checked and in memory.
//
// The VOC and COCO readers return it; file_dataset.h makes it a Dataset. The
// objects of all images are in one array, so that 860,000 objects need no separate
// allocations.
//
// Example:
//   for (int64_t i = 0; i < table.num_images(); ++i) {
//     for (const Object& object : table.objects_of(i)) Use(object);
//   }

#ifndef RCNN_DATA_CORE_ANNOTATION_TABLE_H_
#define RCNN_DATA_CORE_ANNOTATION_TABLE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/defect_report.h"
#include "rcnn/data/core/sample.h"

namespace rcnn::data {

struct AnnotationTable {
  ClassList classes;
  std::vector<ImageInfo> images;
  // Sorted by image.
  std::vector<Object> objects;
  // The objects of image i are objects[first_object[i]] up to but excluding
  // objects[first_object[i + 1]]. num_images() + 1 entries.
  std::vector<int64_t> first_object = {0};
  DefectReport defects;
  bool inclusive_boxes = false;

  int64_t num_images() const { return static_cast<int64_t>(images.size()); }

  absl::Span<const Object> objects_of(int64_t image) const {
    return absl::MakeConstSpan(objects).subspan(first_object[image],
                                                first_object[image + 1] - first_object[image]);
  }

  // Appends an image without objects; AddObject then appends to it.
  void AddImage(ImageInfo info);
  void AddObject(const Object& object);
};

// The fingerprint of Dataset::fingerprint(); it excludes paths and defects.
std::string ComputeFingerprint(const AnnotationTable& table);

// Records how many objects are used, and adds a notice if more than kMostLost are lost.
void NoticeLoss(AnnotationTable& table);

// The final step of every reader: handles the marks of difficult and crowd objects
// and leaves out images without objects, according to the config. kInvalidArgument
// with the list of defects if the policy is ERROR and there are any, and if no images
// are left; the message starts with `source`. NoticeLoss is left to SelectImages (image_list.h)
// if the config has a list of images.
absl::Status FinishTable(const configs::DatasetConfig& config, absl::string_view source,
                         AnnotationTable& table);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_ANNOTATION_TABLE_H_

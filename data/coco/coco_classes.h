// The classes of a COCO dataset: labels 1..K for the ids of its categories, which may have gaps.
//
// By default all categories, by id, without the root category that some tools write
// (coco_root_category.h); otherwise those that the config lists, in its order.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(CocoClasses classes, ChooseCocoClasses(config, instances));
//   if (!classes.notice.empty()) report.AddNotice(classes.notice);

#ifndef RCNN_DATA_COCO_COCO_CLASSES_H_
#define RCNN_DATA_COCO_COCO_CLASSES_H_

#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/coco/coco_instances.h"
#include "rcnn/data/core/dataset.h"

namespace rcnn::data {

struct CocoClasses {
  ClassList classes;
  // Category id -> label; 0 for a category that the config leaves out. The root is not there.
  absl::flat_hash_map<int64_t, int64_t> labels;
  // What the user should know; "": nothing.
  std::string notice;
};

// kInvalidArgument if there are no categories, two of those that stay have one name, or the config
// names one twice or one that is not there.
absl::StatusOr<CocoClasses> ChooseCocoClasses(const configs::DatasetConfig& config,
                                              const CocoInstances& instances);

}  // namespace rcnn::data

#endif  // RCNN_DATA_COCO_COCO_CLASSES_H_

// The root that some programs put above the categories of a COCO file.
//
// Roboflow writes a category 0 with the name of the project, of which every other is a
// subcategory and which no annotation has. As a class it would have no objects, and where
// it is called like a class it would be a duplicate.
//
// Example: if (auto root = FindRootCategory(instances)) ... instances.categories[*root] ...

#ifndef RCNN_DATA_COCO_COCO_ROOT_CATEGORY_H_
#define RCNN_DATA_COCO_COCO_ROOT_CATEGORY_H_

#include <cstddef>
#include <optional>

#include "rcnn/data/coco/coco_instances.h"

namespace rcnn::data {

// The place of the category of id 0 if no annotation is of it and another category has
// its name, as its own or as its supercategory; none otherwise. A category 0 that merely
// has no annotation is a class.
std::optional<size_t> FindRootCategory(const CocoInstances& instances);

}  // namespace rcnn::data

#endif  // RCNN_DATA_COCO_COCO_ROOT_CATEGORY_H_

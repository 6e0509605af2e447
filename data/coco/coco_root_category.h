// Finds the root that some programs put above the categories of a COCO file.
//
// Roboflow writes a category 0 with the name of the project, the supercategory of all
// others, which no annotation uses. As a class it would have no objects, or be a duplicate
// of a class with the same name.
//
// Example:
//   if (auto root = FindRootCategory(instances)) std::cout << instances.categories[*root].name;

#ifndef RCNN_DATA_COCO_COCO_ROOT_CATEGORY_H_
#define RCNN_DATA_COCO_COCO_ROOT_CATEGORY_H_

#include <cstddef>
#include <optional>

#include "rcnn/data/coco/coco_instances.h"

namespace rcnn::data {

// The position of the category with id 0 if no annotation uses it and another category has
// its name, as its own or as its supercategory; else nullopt. A category 0 that merely has
// no annotation is a class.
std::optional<size_t> FindRootCategory(const CocoInstances& instances);

}  // namespace rcnn::data

#endif  // RCNN_DATA_COCO_COCO_ROOT_CATEGORY_H_

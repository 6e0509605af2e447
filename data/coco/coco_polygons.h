// The bounding box of a COCO segmentation, for annotations that have polygons and no "bbox".
//
// Format: cocodataset.org, "Data format": "segmentation" is a list of polygons, each [x1, y1, x2,
// y2, ...] in pixels.
//
// Example:
//   BoundPolygons("[[1, 2, 4, 2, 4, 9]]");  // {1, 2, 3, 7}

#ifndef RCNN_DATA_COCO_COCO_POLYGONS_H_
#define RCNN_DATA_COCO_COCO_POLYGONS_H_

#include <array>
#include <optional>

#include "absl/strings/string_view.h"

namespace rcnn::data {

// x, y, width, height of the smallest box around the corners of all polygons: from the least to the
// greatest x and y. `json` begins with the list of polygons; what follows is not read. nullopt for
// what is not a list of polygons, such as a run-length mask, for an empty list, and for a polygon
// of fewer than three corners, of an odd number of coordinates, or with one that is not finite;
// also if the width or the height is not finite.
std::optional<std::array<double, 4>> BoundPolygons(absl::string_view json);

}  // namespace rcnn::data

#endif  // RCNN_DATA_COCO_COCO_POLYGONS_H_

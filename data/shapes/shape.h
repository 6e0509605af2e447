// The geometric shapes of the generated dataset, as distance functions.
//
// A shape is centred at the origin, within a circle of radius about 1. All are
// distinguishable under the rotations and the stretching by up to a quarter that
// the scenes apply.
//
// Example:
//   bool inside = ShapeDistance(Shape::kRing, 0.8f, 0.1f) < 0;

#ifndef RCNN_DATA_SHAPES_SHAPE_H_
#define RCNN_DATA_SHAPES_SHAPE_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace rcnn::data {

// In the order of the classes.
enum class Shape { kDisc, kSquare, kTriangle, kStar, kCross, kRing, kCrescent, kArrow };

inline constexpr int64_t kNumShapes = 8;

// "disc", "square", ...
absl::string_view Name(Shape shape);

// The approximate distance of (x, y) from the outline, negative inside; exactly 0
// on it.
float ShapeDistance(Shape shape, float x, float y);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SHAPES_SHAPE_H_

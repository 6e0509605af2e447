// Positions of the objects in a generated image, and their visible parts.
//
// Objects are placed one after the other, each over the earlier ones, with random
// position, size, angle and stretch. A position is accepted only if enough of the
// object is inside the image, enough of every earlier object stays visible, and no two
// boxes overlap too much; after 20 tries the object is left out. Boxes enclose the visible pixels,
// as an annotator would draw them.
//
// Example:
//   ShapesLayout layout = MakeShapesLayout(config, index);
//   for (const PlacedShape& shape : layout.shapes) Use(shape.shape, shape.Extent());

#ifndef RCNN_DATA_SHAPES_SHAPES_LAYOUT_H_
#define RCNN_DATA_SHAPES_SHAPES_LAYOUT_H_

#include <cstdint>
#include <vector>

#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/shapes/shape.h"

namespace rcnn::data {

// A point of the image in the coordinates of a shape.
struct ShapePoint {
  float x = 0;
  float y = 0;
};

struct PlacedShape {
  Shape shape = Shape::kDisc;
  // Pixels, continuous.
  float center_x = 0;
  float center_y = 0;
  float radius = 0;
  float cos_angle = 1;
  float sin_angle = 0;
  float stretch_x = 1;  // along the shape's own axes
  float stretch_y = 1;

  ShapePoint ToShape(float x, float y) const;

  // The fraction of the pixel around (x, y) that the shape covers, 0 to 1.
  float Coverage(float x, float y) const;

  // Half the side of the centred square that contains the shape, in pixels.
  float Extent() const;
};

struct ShapesLayout {
  // From the rearmost to the foremost.
  std::vector<PlacedShape> shapes;
  // Boxes of the visible parts in whole pixels, in the same order.
  std::vector<Box> boxes;
};

// A pure function. `config` is valid (ShapesDataset::Create).
ShapesLayout MakeShapesLayout(const configs::ShapesConfig& config, int64_t index);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SHAPES_SHAPES_LAYOUT_H_

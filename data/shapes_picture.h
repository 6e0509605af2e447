// Paints a generated picture: textured ground, clutter, the shapes of a layout,
// light, blur and noise.
//
// Example:
//   Image image = PaintShapes(config, index, MakeShapesLayout(config, index));

#ifndef RCNN_DATA_SHAPES_PICTURE_H_
#define RCNN_DATA_SHAPES_PICTURE_H_

#include <cstdint>

#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/image.h"
#include "rcnn/data/shapes_layout.h"

namespace rcnn::data {

// A function of its arguments alone.
Image PaintShapes(const configs::ShapesConfig& config, int64_t index, const ShapesLayout& layout);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SHAPES_PICTURE_H_

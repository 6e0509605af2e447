// Paints a generated image: textured background, clutter, the shapes of a layout,
// light, blur and noise.
//
// Example:
//   Image image = PaintShapes(config, index, MakeShapesLayout(config, index));

#ifndef RCNN_DATA_SHAPES_SHAPES_IMAGE_H_
#define RCNN_DATA_SHAPES_SHAPES_IMAGE_H_

#include <cstdint>

#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/image/image.h"
#include "rcnn/data/shapes/shapes_layout.h"

namespace rcnn::data {

// A pure function.
Image PaintShapes(const configs::ShapesConfig& config, int64_t index, const ShapesLayout& layout);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SHAPES_SHAPES_IMAGE_H_

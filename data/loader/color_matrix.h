// Linear changes of colour in RGB, as one matrix per image.
//
// Brightness, contrast, saturation and hue are each an affine map of (r, g, b); so
// is their composition, and any number of them takes one pass over the image.
// Values are rounded and clipped to 0..255 only at the end, not between steps. Hue
// rotates the chrominance plane of YIQ, which preserves the luma exactly; it is not
// HSV's hue angle.
//
// Luma is 0.299 r + 0.587 g + 0.114 b and I, Q are those of NTSC (ITU-R BT.470,
// system M).
//
// Example:
//   ColorMatrix matrix = Saturation(0.8).After(Brightness(1.1));
//   Image changed = ApplyColor(matrix, image);

#ifndef RCNN_DATA_LOADER_COLOR_MATRIX_H_
#define RCNN_DATA_LOADER_COLOR_MATRIX_H_

#include <array>

#include "rcnn/data/image/image.h"

namespace rcnn::data {

struct ColorMatrix {
  // out[c] = rows[c][0] * r + rows[c][1] * g + rows[c][2] * b + rows[c][3], with
  // c, r, g, b in the order RGB and values in 0..255.
  std::array<std::array<double, 4>, 3> rows = {{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}};

  // The matrix that applies `first`, then this one.
  ColorMatrix After(const ColorMatrix& first) const;
};

// Multiplies by `factor`: 0 is black, 1 no change.
ColorMatrix Brightness(double factor);

// Multiplies the distance to mid-grey, 127.5: 0 is all grey, 1 no change.
ColorMatrix Contrast(double factor);

// Multiplies the distance to the grey of the same luma: 0 is grey, 1 no change.
ColorMatrix Saturation(double factor);

// Rotates chrominance by an angle, preserving luma and greys.
ColorMatrix Hue(double degrees);

// Returns the image with every pixel mapped, rounded to nearest and clipped.
Image ApplyColor(const ColorMatrix& matrix, const Image& image);

}  // namespace rcnn::data

#endif  // RCNN_DATA_LOADER_COLOR_MATRIX_H_

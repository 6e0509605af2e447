// How a stored image is rotated or mirrored to be shown upright.
//
// The eight orientations of EXIF: those of a rectangle. 5 to 8 swap width and height.
//
//   value  stored pixel (x, y) of width x height is seen at
//     1    (x, y)
//     2    (width - 1 - x, y)                      mirrored
//     3    (width - 1 - x, height - 1 - y)         half turn
//     4    (x, height - 1 - y)                     flipped
//     5    (y, x)                                  transposed
//     6    (height - 1 - y, x)                     quarter turn clockwise
//     7    (height - 1 - y, width - 1 - x)         transversed
//     8    (y, width - 1 - x)                      quarter turn counter-clockwise
//
// Source: Exif 2.32 (CIPA DC-008), tag 0x0112. exif_orientation.h reads it from a file.
//
// Example:
//   image = TurnImage(std::move(image), ParseExifOrientation(bytes));

#ifndef RCNN_DATA_IMAGE_ORIENTATION_H_
#define RCNN_DATA_IMAGE_ORIENTATION_H_

#include <array>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "rcnn/data/image/image.h"

namespace rcnn::data {

enum class Orientation {
  kUpright = 1,
  kMirrored = 2,
  kHalfTurn = 3,
  kFlipped = 4,
  kTransposed = 5,
  kQuarterTurnClockwise = 6,
  kTransversed = 7,
  kQuarterTurnCounterclockwise = 8,
};

// In words: "quarter turn clockwise".
absl::string_view Name(Orientation orientation);

// True for 5 to 8.
bool SwapsSides(Orientation orientation);

// The orientation that undoes it.
Orientation Inverse(Orientation orientation);

// The image as shown. An upright image is returned without a copy.
Image TurnImage(Image image, Orientation orientation);

// Maps a box of the stored image (x, y, width, height in continuous pixels) to the
// shown image. `width` and `height` are those of the stored image. For the reverse,
// use the inverse orientation with the size of the shown image.
std::array<double, 4> TurnBox(const std::array<double, 4>& xywh, Orientation orientation,
                              double width, double height);

}  // namespace rcnn::data

#endif  // RCNN_DATA_IMAGE_ORIENTATION_H_

#include "rcnn/data/image/orientation.h"

#include <algorithm>

namespace rcnn::data {
namespace {

// Each orientation is a transposition, if it swaps the sides, and then a mirroring of
// the view's x, its y, or both.
bool MirrorsX(Orientation orientation) {
  return orientation == Orientation::kMirrored || orientation == Orientation::kHalfTurn ||
         orientation == Orientation::kQuarterTurnClockwise ||
         orientation == Orientation::kTransversed;
}

bool MirrorsY(Orientation orientation) {
  return orientation == Orientation::kHalfTurn || orientation == Orientation::kFlipped ||
         orientation == Orientation::kTransversed ||
         orientation == Orientation::kQuarterTurnCounterclockwise;
}

}  // namespace

absl::string_view Name(Orientation orientation) {
  switch (orientation) {
    case Orientation::kUpright:
      return "upright";
    case Orientation::kMirrored:
      return "mirrored";
    case Orientation::kHalfTurn:
      return "half turn";
    case Orientation::kFlipped:
      return "flipped";
    case Orientation::kTransposed:
      return "transposed";
    case Orientation::kQuarterTurnClockwise:
      return "quarter turn clockwise";
    case Orientation::kTransversed:
      return "transversed";
    case Orientation::kQuarterTurnCounterclockwise:
      return "quarter turn counter-clockwise";
  }
  return "unknown";
}

bool SwapsSides(Orientation orientation) { return orientation >= Orientation::kTransposed; }

Orientation Inverse(Orientation orientation) {
  switch (orientation) {
    case Orientation::kQuarterTurnClockwise:
      return Orientation::kQuarterTurnCounterclockwise;
    case Orientation::kQuarterTurnCounterclockwise:
      return Orientation::kQuarterTurnClockwise;
    default:
      return orientation;
  }
}

Image TurnImage(Image image, Orientation orientation) {
  if (orientation == Orientation::kUpright || image.size_bytes() == 0) return image;
  const bool swaps = SwapsSides(orientation);
  Image view(swaps ? image.width() : image.height(), swaps ? image.height() : image.width());
  // Bytes from one pixel of a row of the view to the next, in the image as stored.
  const int64_t row_bytes = image.width() * Image::kChannels;
  const int64_t across = swaps ? row_bytes : Image::kChannels;
  const int64_t down = swaps ? Image::kChannels : row_bytes;
  const int64_t step = MirrorsX(orientation) ? -across : across;
  for (int64_t y = 0; y < view.height(); ++y) {
    const int64_t from_y = MirrorsY(orientation) ? view.height() - 1 - y : y;
    const uint8_t* from = image.data() + from_y * down;
    if (MirrorsX(orientation)) from += (view.width() - 1) * across;
    uint8_t* to = view.row(y);
    for (int64_t x = 0; x < view.width(); ++x, to += Image::kChannels) {
      std::copy_n(from + x * step, Image::kChannels, to);
    }
  }
  return view;
}

std::array<double, 4> TurnBox(const std::array<double, 4>& xywh, Orientation orientation,
                              double width, double height) {
  std::array<double, 4> box = xywh;
  if (SwapsSides(orientation)) {
    box = {xywh[1], xywh[0], xywh[3], xywh[2]};
    std::swap(width, height);
  }
  if (MirrorsX(orientation)) box[0] = width - (box[0] + box[2]);
  if (MirrorsY(orientation)) box[1] = height - (box[1] + box[3]);
  return box;
}

}  // namespace rcnn::data

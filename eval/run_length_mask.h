// Masks as COCO stores them: run lengths of pixels, column by column.
//
// A mask of height x width pixels is its runs of zeros and ones in turn, zeros
// first (their number may be 0), over the pixels in column-major order. Files
// have them as numbers, as a text that packs the differences of the numbers, or
// as polygons, whose pixels are chosen as the official code chooses them: edges
// are drawn on a grid five times as fine.
//
// Many masks lie in one MaskSet; Mask is a view of one.
//
// Source: cocoapi common/maskApi.h (the format and the rules of rounding).
//
// Example:
//   MaskSet masks;
//   RCNN_RETURN_IF_ERROR(masks.AddPacked("06", 2, 3));
//   int64_t pixels = masks[0].Area();

#ifndef RCNN_EVAL_RUN_LENGTH_MASK_H_
#define RCNN_EVAL_RUN_LENGTH_MASK_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::eval {

// A view; valid until its set changes.
struct Mask {
  int64_t height = 0;
  int64_t width = 0;
  absl::Span<const uint32_t> runs;  // zeros, ones, zeros, ...; in all height x width

  int64_t Area() const;
};

// The smallest box around the mask's pixels; all 0 without one. As in the official
// code (rleToBbox), a run of ones that goes beyond a column spans the whole height.
XywhBox BoxAround(const Mask& mask);

// Number of pixels that are in both. The masks are of one size.
int64_t IntersectionArea(const Mask& a, const Mask& b);

// Intersection over union; with a crowd, over the detection's area. 0 when nothing
// is in both. The masks are of one size.
double MaskIou(const Mask& detection, const Mask& annotation, bool crowd);

class MaskSet {
 public:
  int64_t size() const { return static_cast<int64_t>(sizes_.size()); }
  Mask operator[](int64_t i) const;

  void Clear();
  void Append(const MaskSet& other);
  // Makes room for so many times what `part` holds.
  void ReserveLike(const MaskSet& part, double times);

  // Adds a mask. kInvalidArgument, adding nothing, where the runs are not those of
  // height x width pixels; for a size that is negative or of 2^32 pixels or more.
  absl::Status AddRuns(absl::Span<const uint32_t> runs, int64_t height, int64_t width);

  // The same for packed text. kInvalidArgument for text that is not packed runs, too.
  absl::Status AddPacked(absl::string_view text, int64_t height, int64_t width);

  // The union of polygons, each (x, y) pairs in pixels. kInvalidArgument, as in the
  // official code, for no polygons and fewer than five numbers in the first; and for
  // coordinates that are not finite or beyond a million.
  absl::Status AddPolygons(absl::Span<const std::vector<double>> polygons, int64_t height,
                           int64_t width);

 private:
  struct Size {
    uint32_t height;
    uint32_t width;
  };

  std::vector<Size> sizes_;
  std::vector<int64_t> ends_;  // in runs_, of each
  std::vector<uint32_t> runs_;
};

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_RUN_LENGTH_MASK_H_

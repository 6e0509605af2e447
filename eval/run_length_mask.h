// Masks as COCO stores them: run lengths of pixels, column by column.
//
// A mask of height x width pixels is stored as the lengths of alternating runs of
// zeros and ones, zeros first (their number may be 0), over the pixels in
// column-major order. Files hold the numbers, or text that packs their
// differences, or polygons. Polygons are rasterised like the official code does,
// with edges drawn on a grid five times as fine.
//
// A MaskSet stores many masks; Mask is a view of one.
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

#include "absl/functional/function_ref.h"
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

// The smallest box around the mask's pixels; all 0 if it has none. As in the official
// code (rleToBbox), a run of ones that goes beyond a column spans the whole height.
XywhBox BoxAround(const Mask& mask);

// Number of pixels in both masks, which have the same size.
int64_t IntersectionArea(const Mask& a, const Mask& b);

// Intersection over union; with a crowd, over the detection's area. 0 when nothing
// is in both. The masks have the same size.
double MaskIou(const Mask& detection, const Mask& annotation, bool crowd);

class MaskSet {
 public:
  int64_t size() const { return static_cast<int64_t>(sizes_.size()); }
  // Of all masks together, four bytes each.
  int64_t num_runs() const { return static_cast<int64_t>(runs_.size()); }
  Mask operator[](int64_t i) const;

  void Clear();
  void Append(const MaskSet& other);
  // Reserves memory for `times` copies of `part`, but at most 1 GiB: a part may have far more than
  // others, and memory that there is not would end the program.
  void ReserveLike(const MaskSet& part, double times);

  // Adds a mask. kInvalidArgument, adding nothing, if the runs do not sum to height x
  // width pixels, or for a size that is negative or of 2^32 pixels or more.
  absl::Status AddRuns(absl::Span<const uint32_t> runs, int64_t height, int64_t width);

  // The same for runs that `append` appends to a vector, which may hold others, so that there is no
  // second copy of them; and its error.
  absl::Status AddAppendedRuns(absl::FunctionRef<absl::Status(std::vector<uint32_t>&)> append,
                               int64_t height, int64_t width);

  // The same for packed text. kInvalidArgument for text that is not packed runs, too.
  absl::Status AddPacked(absl::string_view text, int64_t height, int64_t width);

  // The union of polygons, each (x, y) pairs in pixels. kInvalidArgument, as in the
  // official code, for no polygons and fewer than five numbers in the first; and for
  // coordinates that are not finite or beyond a million, and an outline of more than 2^18
  // pixels and 64 for each number, because memory and time grow with its length.
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

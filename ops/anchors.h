// Anchors: the reference boxes of a region proposal network.
//
// Base anchors (A = ratios x scales of them) are placed at every cell of a
// feature map of H x W cells, in the order (row, column, base anchor), which is
// that of a head's output [A, H, W] permuted to [H, W, A]. A pyramid has one set
// of base anchors and one map per level.
//
// Source: Ren et al., arXiv:1506.01497v3, Sec. 3.1.1.
//
// Example, the nine anchors of 2015 on a map of stride 16:
//   const AnchorGenerator generator({{.rounding = AnchorRounding::kPixels2015}});
//   at::Tensor anchors = generator.Generate({{.height = 38, .width = 63}});  // [21546, 4]
//   at::Tensor inside = InsideImage(anchors, {.height = 600, .width = 1000}, {.inclusive = true});

#ifndef RCNN_OPS_ANCHORS_H_
#define RCNN_OPS_ANCHORS_H_

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "rcnn/ops/boxes.h"

namespace rcnn::ops {

enum class AnchorRounding {
  // Exact floating-point sides sqrt(1 / ratio) and sqrt(ratio) times the size.
  kNone,
  // Exact sides, then corners rounded to whole pixels, half to even, as in
  // torchvision.
  kCorners,
  // Inclusive boxes of whole pixels, as in the code of 2015: at scale 1 the width
  // is round(sqrt(base^2 / ratio)) and the height round(width * ratio), both then
  // multiplied by the scale, centred at (base - 1) / 2.
  kPixels2015,
};

enum class AnchorOrder {
  kRatioMajor,  // all scales of the first ratio, then of the second
  kScaleMajor,  // all ratios of the first scale, then of the second
};

// The base anchors of one level and their placement.
struct AnchorLevelOptions {
  // A square anchor has sides of base_size_px * scale pixels. All > 0.
  double base_size_px = 16;
  std::vector<double> scales = {8, 16, 32};
  // height / width, > 0.
  std::vector<double> aspect_ratios = {0.5, 1, 2};
  AnchorRounding rounding = AnchorRounding::kNone;
  AnchorOrder order = AnchorOrder::kRatioMajor;
  // Distance between neighbouring cells in pixels, > 0.
  double stride_x_px = 16;
  double stride_y_px = 16;
  // The anchors of cell (0, 0) are centred at this fraction of the strides, in [0,
  // 1]; 0.5 is the middle of the cell. Not used by kPixels2015.
  double center_offset = 0;
};

// Cells of a feature map, >= 0.
struct GridSize {
  int64_t height = 0;
  int64_t width = 0;
};

// Returns the base anchors [A, 4] float32 (x1, y1, x2, y2) in pixels, placed at cell
// (0, 0). Computed in float64. Throws c10::Error naming the option that is out of
// range, and if sides are too long for float32 or, with kPixels2015, round to 0 pixels.
at::Tensor BaseAnchors(const AnchorLevelOptions& options);

// Returns `base` [A, 4] float32 moved to every cell, [H W A, 4] float32: cell
// (h, w) has it moved by (w * stride_x_px, h * stride_y_px). On the device of `base`;
// devices without a kernel use the fallback of dispatch.h.
// Throws c10::Error on a wrong shape or dtype, a negative grid, strides <= 0, and more
// cells or longer strides than tensors and float32 can hold.
at::Tensor PlaceAnchors(const at::Tensor& base, const GridSize& grid, double stride_x_px,
                        double stride_y_px);

struct InsideImageOptions {
  // How far anchors may extend beyond the image, >= 0.
  double border_px = 0;
  // The last pixel column is width - 1 (boxes.h): x2 < width + border. Otherwise
  // x2 <= width + border.
  bool inclusive = false;
};

// Returns the mask [N] bool of the anchors [N, 4] float32|float64 that lie in the image.
// Throws c10::Error on invalid anchors, a negative size or a negative border.
at::Tensor InsideImage(const at::Tensor& anchors, const ImageSize& image,
                       const InsideImageOptions& options = {});

// The anchors of all levels, for images of changing sizes.
//
// Anchors of recent grids are cached, so a repeated call only costs a look-up. The
// returned tensor is shared and must not be modified. Thread-safe.
class AnchorGenerator {
 public:
  // One element per level. Caches the anchors of `cached_grids` >= 1 sets of grids
  // and evicts the least recently used.
  explicit AnchorGenerator(std::vector<AnchorLevelOptions> levels, size_t cached_grids = 32);
  ~AnchorGenerator();
  AnchorGenerator(AnchorGenerator&&) noexcept;
  AnchorGenerator& operator=(AnchorGenerator&&) noexcept;

  int64_t num_levels() const;
  // Base anchors per cell of `level`, in [0, num_levels()).
  int64_t anchors_per_cell(int64_t level) const;

  // Returns the anchors of all levels one after another, [sum of H W A, 4] float32
  // on `device`. `grids` has one element per level. Level i has
  // grids[i].height * grids[i].width * anchors_per_cell(i) rows.
  // Throws c10::Error on a wrong number of grids and on negative ones.
  at::Tensor Generate(const std::vector<GridSize>& grids,
                      at::Device device = at::Device(at::kCPU)) const;

 private:
  class Cache;
  std::vector<AnchorLevelOptions> levels_;
  std::vector<at::Tensor> base_;
  std::unique_ptr<Cache> cache_;
};

namespace internal {
// Throws c10::Error as PlaceAnchors does, before it computes; returns the rows of its result.
int64_t CheckPlaceArguments(const at::Tensor& base, const GridSize& grid, double stride_x_px,
                            double stride_y_px);
}  // namespace internal

}  // namespace rcnn::ops

#endif  // RCNN_OPS_ANCHORS_H_

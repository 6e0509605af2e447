#include "rcnn/ops/boxes.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "rcnn/ops/check.h"
#include "rcnn/ops/cpu/overlap_kernel.h"
#include "rcnn/ops/dispatch.h"

namespace rcnn::ops {
namespace {

// Matrix elements per task.
constexpr int64_t kGrain = 32768;

double Extra(const BoxConvention& convention) { return convention.inclusive ? 1 : 0; }

at::Tensor Side(const at::Tensor& boxes, int64_t axis, double extra) {
  return boxes.select(-1, axis + 2) - boxes.select(-1, axis) + extra;
}

// Writing a row slightly overruns into the next row; the last rows of a task must not.
template <typename T>
void OverlapTask(const T* boxes, int64_t rows, const BoxColumns<T>& columns, Overlap kind, T* out) {
  const int64_t count = columns.count();
  const int64_t overhang = columns.padded_count() - count;
  const int64_t last_rows = std::min(rows, (overhang + count - 1) / count);
  const int64_t first_rows = rows - last_rows;
  OverlapRows(boxes, first_rows, columns, kind, out, count);
  std::vector<T> row(columns.padded_count());
  for (int64_t i = first_rows; i < rows; ++i) {
    OverlapRows(boxes + 4 * i, 1, columns, kind, row.data(), columns.padded_count());
    std::copy_n(row.begin(), count, out + i * count);
  }
}

template <typename T>
at::Tensor OverlapMatrix(const at::Tensor& boxes, const at::Tensor& others, bool inclusive,
                         Overlap kind) {
  const int64_t rows = boxes.size(0);
  const int64_t count = others.size(0);
  at::Tensor matrix = at::empty({rows, count}, boxes.options());
  if (matrix.numel() == 0) return matrix;
  const BoxColumns<T> columns(others.data_ptr<T>(), count, inclusive);
  const T* box = boxes.data_ptr<T>();
  T* out = matrix.data_ptr<T>();
  at::parallel_for(0, rows, std::max<int64_t>(1, kGrain / count), [&](int64_t begin, int64_t end) {
    OverlapTask(box + 4 * begin, end - begin, columns, kind, out + begin * count);
  });
  return matrix;
}

const char* NameOthers(Overlap kind) { return kind == Overlap::kIou ? "others" : "regions"; }

template <Overlap kind>
at::Tensor OverlapOnCpu(const at::Tensor& boxes, const at::Tensor& others, bool inclusive) {
  internal::CheckOverlapArguments(boxes, others, NameOthers(kind), inclusive);
  const auto matrix =
      boxes.scalar_type() == at::kDouble ? &OverlapMatrix<double> : &OverlapMatrix<float>;
  return matrix(boxes.detach().contiguous(), others.detach().contiguous(), inclusive, kind);
}

template <Overlap kind>
at::Tensor OverlapOnMeta(const at::Tensor& boxes, const at::Tensor& others, bool inclusive) {
  internal::CheckOverlapArguments(boxes, others, NameOthers(kind), inclusive);
  return at::empty({boxes.size(0), others.size(0)}, boxes.options());
}

// On devices without a kernel.
template <Overlap kind>
at::Tensor OverlapElsewhere(const at::Tensor& boxes, const at::Tensor& others, bool inclusive) {
  const at::NoGradGuard no_grad;
  internal::CheckOverlapArguments(boxes, others, NameOthers(kind), inclusive);
  return internal::ComposedOverlap(boxes, others, inclusive, kind == Overlap::kIou);
}

template <Overlap kind>
void DefineOverlap(torch::Library& library, const char* schema) {
  DefineComposedOperator(library, schema, &OverlapOnCpu<kind>, &OverlapOnMeta<kind>,
                         &OverlapElsewhere<kind>);
}

// [N, 4 K] as [N K, 4].
at::Tensor Ungrouped(const at::Tensor& boxes) {
  CheckShape(boxes, "boxes", {-1, -1});
  const int64_t columns = FixedSize(boxes, 1);
  TORCH_CHECK(columns > 0 && columns % 4 == 0, "boxes: expected a multiple of 4 columns, got ",
              Describe(boxes));
  return boxes.reshape({-1, 4});
}

// (x, y, x, y) on the device and in the dtype of `boxes`.
at::Tensor Corners(double x, double y, const at::Tensor& boxes) {
  const at::Tensor of_x = at::full({}, x, at::kDouble), of_y = at::full({}, y, at::kDouble);
  return at::stack({of_x, of_y, of_x, of_y}).to(boxes.options());
}

// Clips x of boxes [N, 4] to [0, last_x] and y to [0, last_y].
at::Tensor ClampCorners(const at::Tensor& boxes, double last_x, double last_y) {
  const at::Tensor limit = Corners(last_x, last_y, boxes);
  return at::clamp(boxes, at::zeros_like(limit), limit);
}

// Whether a device's own kernel can clip: it has no gradient, and a trace needs ATen's operators.
bool HasOwnClip(const at::Tensor& boxes) {
  const bool has_gradient = at::GradMode::is_enabled() && boxes.requires_grad();
  return !boxes.is_cpu() && !boxes.is_meta() && !IsTraced(boxes) && !has_gradient;
}

}  // namespace

at::Tensor BoxArea(const at::Tensor& boxes, const BoxConvention& convention) {
  CheckBoxes(boxes, "boxes");
  CheckBoxAreas(boxes, "boxes", convention.inclusive);
  return Side(boxes, 0, Extra(convention)) * Side(boxes, 1, Extra(convention));
}

at::Tensor BoxIou(const at::Tensor& boxes, const at::Tensor& others,
                  const BoxConvention& convention) {
  static const auto op = FindOperator<decltype(OverlapOnCpu<Overlap::kIou>)>("box_iou");
  return op.call(boxes, others, convention.inclusive);
}

at::Tensor BoxIntersectionOverArea(const at::Tensor& boxes, const at::Tensor& regions,
                                   const BoxConvention& convention) {
  static const auto op =
      FindOperator<decltype(OverlapOnCpu<Overlap::kIou>)>("box_intersection_over_area");
  return op.call(boxes, regions, convention.inclusive);
}

at::Tensor ClipBoxes(const at::Tensor& boxes, const ImageSize& image,
                     const BoxConvention& convention) {
  const int64_t min_size = convention.inclusive ? 1 : 0;
  TORCH_CHECK(image.height >= min_size && image.width >= min_size, "image: expected a size of at ",
              "least ", min_size, " x ", min_size, ", got ", image.height, " x ", image.width);
  const at::Tensor rows = Ungrouped(boxes);
  CheckBoxes(rows, "boxes");
  const double last_x = static_cast<double>(image.width) - Extra(convention);
  const double last_y = static_cast<double>(image.height) - Extra(convention);
  if (HasOwnClip(boxes)) {
    static const auto op = FindOperator<decltype(ClampCorners)>("_clip_boxes");
    return op.call(rows, last_x, last_y).reshape(boxes.sizes());
  }
  return ClampCorners(rows, last_x, last_y).reshape_symint(boxes.sym_sizes());
}

at::Tensor LargeBoxes(const at::Tensor& boxes, double min_side_px,
                      const BoxConvention& convention) {
  CheckBoxes(boxes, "boxes");
  TORCH_CHECK(min_side_px >= 0 && std::isfinite(min_side_px),
              "min_side_px: expected >= 0 and finite, got ", min_side_px);
  // The number depends on the values; a meta tensor gives the maximum.
  if (boxes.is_meta()) return at::empty({boxes.size(0)}, boxes.options().dtype(at::kLong));
  const at::Tensor width = Side(boxes, 0, Extra(convention));
  const at::Tensor height = Side(boxes, 1, Extra(convention));
  return at::minimum(width, height).ge(min_side_px).nonzero().squeeze(1);
}

at::Tensor FlipBoxes(const at::Tensor& boxes, int64_t image_width,
                     const BoxConvention& convention) {
  CheckBoxes(boxes, "boxes");
  TORCH_CHECK(image_width >= 0, "image_width: expected >= 0, got ", image_width);
  const double width = static_cast<double>(image_width) - Extra(convention);
  const auto column = [&](int64_t i) { return boxes.select(1, i); };
  return at::stack({width - column(2), column(1), width - column(0), column(3)}, 1);
}

at::Tensor ScaleBoxes(const at::Tensor& boxes, double scale_x, double scale_y) {
  CheckBoxes(boxes, "boxes");
  TORCH_CHECK(scale_x > 0 && std::isfinite(scale_x), "scale_x: expected > 0 and finite, got ",
              scale_x);
  TORCH_CHECK(scale_y > 0 && std::isfinite(scale_y), "scale_y: expected > 0 and finite, got ",
              scale_y);
  at::Tensor scaled = boxes * Corners(scale_x, scale_y, boxes);
  CheckBoxes(scaled, "boxes, scaled");
  return scaled;
}

namespace internal {

void CheckOverlapArguments(const at::Tensor& boxes, const at::Tensor& others,
                           const char* others_name, bool inclusive) {
  CheckBoxes(boxes, "boxes");
  CheckBoxes(others, others_name);
  CheckSameDtypeAndDevice(others, others_name, boxes, "boxes");
  CheckBoxAreas(boxes, "boxes", inclusive);
  CheckBoxAreas(others, others_name, inclusive);
}

at::Tensor ComposedOverlap(const at::Tensor& boxes, const at::Tensor& others, bool inclusive,
                           bool over_union) {
  const double extra = inclusive ? 1 : 0;
  const at::Tensor a = boxes.unsqueeze(1);
  const at::Tensor b = others.unsqueeze(0);
  const at::Tensor low = at::maximum(a.slice(2, 0, 2), b.slice(2, 0, 2));
  const at::Tensor high = at::minimum(a.slice(2, 2, 4), b.slice(2, 2, 4));
  const at::Tensor sides = (high - low + extra).clamp_min(0);
  const at::Tensor shared = sides.select(2, 0) * sides.select(2, 1);
  at::Tensor whole = (Side(a, 0, extra) * Side(a, 1, extra)).expand_as(shared);
  if (over_union) whole = whole + Side(b, 0, extra) * Side(b, 1, extra) - shared;
  return shared / whole.masked_fill(whole <= 0, 1);
}

}  // namespace internal

namespace {

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  DefineOverlap<Overlap::kIou>(
      m, "box_iou(Tensor boxes, Tensor others, *, bool inclusive=False) -> Tensor");
  DefineOverlap<Overlap::kIntersectionOverRow>(
      m,
      "box_intersection_over_area(Tensor boxes, Tensor regions, *, bool inclusive=False) -> "
      "Tensor");
  // Composed from ATen's operators, so they work on every device.
  DefineCompositeOperator(
      m, "box_area(Tensor boxes, *, bool inclusive=False) -> Tensor",
      [](const at::Tensor& boxes, bool inclusive) { return BoxArea(boxes, {inclusive}); });
  DefineCompositeOperator(
      m, "clip_boxes(Tensor boxes, int height, int width, *, bool inclusive=False) -> Tensor",
      [](const at::Tensor& boxes, int64_t height, int64_t width, bool inclusive) {
        return ClipBoxes(boxes, {height, width}, {inclusive});
      });
  // Of clip_boxes on other devices.
  DefineComposedOperator(m, "_clip_boxes(Tensor boxes, float last_x, float last_y) -> Tensor",
                         &ClampCorners, &ClampCorners, &ClampCorners);
  DefineCompositeOperator(
      m, "large_boxes(Tensor boxes, float min_side_px, *, bool inclusive=False) -> Tensor",
      [](const at::Tensor& boxes, double min_side_px, bool inclusive) {
        return LargeBoxes(boxes, min_side_px, {inclusive});
      });
  DefineCompositeOperator(
      m, "flip_boxes(Tensor boxes, int image_width, *, bool inclusive=False) -> Tensor",
      [](const at::Tensor& boxes, int64_t image_width, bool inclusive) {
        return FlipBoxes(boxes, image_width, {inclusive});
      });
  DefineCompositeOperator(m, "scale_boxes(Tensor boxes, float scale_x, float scale_y) -> Tensor",
                          &ScaleBoxes);
}

}  // namespace

}  // namespace rcnn::ops

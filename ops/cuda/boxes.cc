#include "rcnn/ops/boxes.h"

#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include "rcnn/ops/check.h"
#include "rcnn/ops/cuda/boxes.h"
#include "rcnn/ops/cuda/registration.h"

namespace rcnn::ops {
namespace {

at::Tensor OverlapOnCuda(const at::Tensor& boxes, const at::Tensor& others, bool inclusive,
                         Overlap kind) {
  const c10::cuda::CUDAGuard guard(boxes.device());
  const at::Tensor rows = boxes.detach().contiguous(), columns = others.detach().contiguous();
  const at::Tensor matrix = at::empty({rows.size(0), columns.size(0)}, rows.options());
  AT_DISPATCH_FLOATING_TYPES(rows.scalar_type(), "box_overlap", [&] {
    CheckLaunch(
        LaunchOverlapMatrix<scalar_t>(
            {rows.data_ptr<scalar_t>(), columns.data_ptr<scalar_t>(), rows.size(0), columns.size(0),
             kind, static_cast<scalar_t>(inclusive ? 1 : 0), matrix.data_ptr<scalar_t>()},
            CurrentStream()),
        "box overlap");
  });
  return matrix;
}

at::Tensor IouOnCuda(const at::Tensor& boxes, const at::Tensor& others, bool inclusive) {
  internal::CheckOverlapArguments(boxes, others, "others", inclusive);
  return OverlapOnCuda(boxes, others, inclusive, Overlap::kIou);
}

at::Tensor IntersectionOverAreaOnCuda(const at::Tensor& boxes, const at::Tensor& regions,
                                      bool inclusive) {
  internal::CheckOverlapArguments(boxes, regions, "regions", inclusive);
  return OverlapOnCuda(boxes, regions, inclusive, Overlap::kIntersectionOverRow);
}

at::Tensor ClipOnCuda(const at::Tensor& boxes, double last_x, double last_y) {
  CheckBoxesShape(boxes, "boxes");
  const c10::cuda::CUDAGuard guard(boxes.device());
  const at::Tensor from = boxes.detach().contiguous();
  const at::Tensor clipped = at::empty_like(from);
  AT_DISPATCH_FLOATING_TYPES(from.scalar_type(), "clip_boxes", [&] {
    const ClipRow<scalar_t> row = {from.data_ptr<scalar_t>(), static_cast<scalar_t>(last_x),
                                   static_cast<scalar_t>(last_y), clipped.data_ptr<scalar_t>()};
    CheckLaunch(LaunchBoxClip(from.size(0), row, CurrentStream()), "clip_boxes");
  });
  return clipped;
}

TORCH_LIBRARY_IMPL(rcnn, CUDA, m) {
  m.impl("box_iou", &IouOnCuda);
  m.impl("box_intersection_over_area", &IntersectionOverAreaOnCuda);
  m.impl("_clip_boxes", &ClipOnCuda);
}

}  // namespace
}  // namespace rcnn::ops

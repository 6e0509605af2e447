#include "rcnn/ops/anchors.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <cstdint>

#include "rcnn/ops/cuda/anchors.h"
#include "rcnn/ops/cuda/registration.h"

namespace rcnn::ops {
namespace {

at::Tensor PlaceOnCuda(const at::Tensor& base, int64_t height, int64_t width, double stride_x_px,
                       double stride_y_px) {
  const int64_t rows =
      internal::CheckPlaceArguments(base, {height, width}, stride_x_px, stride_y_px);
  const c10::cuda::CUDAGuard guard(base.device());
  const at::Tensor from = base.detach().contiguous();
  const at::Tensor anchors = at::empty({rows, 4}, from.options());
  const PlaceAnchor anchor = {
      from.data_ptr<float>(),   from.size(0), width, stride_x_px, stride_y_px,
      anchors.data_ptr<float>()};
  CheckLaunch(LaunchPlaceAnchors(rows, anchor, CurrentStream()), "place_anchors");
  return anchors;
}

TORCH_LIBRARY_IMPL(rcnn, CUDA, m) { m.impl("place_anchors", &PlaceOnCuda); }

}  // namespace
}  // namespace rcnn::ops

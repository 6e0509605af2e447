#include "rcnn/ops/random_mask.h"

#include <ATen/ops/empty.h>
#include <torch/library.h>

#include "rcnn/ops/cuda/random_mask.h"
#include "rcnn/ops/cuda/registration.h"

namespace rcnn::ops {
namespace {

at::Tensor MaskOnCuda(const at::Tensor& like, int64_t key, double probability,
                      const c10::optional<at::Tensor>& draw_rows) {
  CheckRandomMaskArguments(like, probability, draw_rows);
  const c10::cuda::CUDAGuard guard(like.device());
  const at::Tensor mask = at::empty(like.sizes(), like.options().dtype(at::kFloat));
  const auto rows = draw_rows ? c10::make_optional(draw_rows->contiguous()) : c10::nullopt;
  CheckLaunch(LaunchFillMask(MakeFillRandomMask(mask, key, probability, rows), CurrentStream()),
              "random_mask");
  return mask;
}

TORCH_LIBRARY_IMPL(rcnn, CUDA, m) { m.impl("random_mask", &MaskOnCuda); }

}  // namespace
}  // namespace rcnn::ops

#include "rcnn/ops/random_mask.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <cmath>

#include "rcnn/ops/cpu/serial_grid.h"
#include "rcnn/ops/dispatch.h"

namespace rcnn::ops {
namespace {

at::Tensor MaskOnCpuOrMeta(const at::Tensor& like, int64_t key, double probability) {
  const at::Tensor mask = at::empty(like.sizes(), like.options().dtype(at::kFloat));
  if (like.is_meta()) return mask;
  SerialGrid launch;
  FillMask(launch, MakeFillRandomMask(mask, key, probability));
  return mask;
}

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  DefineOperator(m, "random_mask(Tensor like, int key, float probability) -> Tensor",
                 &MaskOnCpuOrMeta, &MaskOnCpuOrMeta);
}

}  // namespace

FillRandomMask MakeFillRandomMask(const at::Tensor& mask, int64_t key, double probability) {
  TORCH_CHECK(probability >= 0 && probability <= 1, "probability: expected in [0, 1], got ",
              probability);
  constexpr double kDraws = 4294967296;  // 2^32
  return {mask.numel(), static_cast<uint64_t>(key),
          static_cast<uint64_t>(std::nearbyint(probability * kDraws)), mask.data_ptr<float>()};
}

at::Tensor RandomMask(const at::Tensor& like, uint64_t key, double probability) {
  static const auto op = FindOperator<decltype(MaskOnCpuOrMeta)>("random_mask");
  return op.call(like, static_cast<int64_t>(key), probability);
}

}  // namespace rcnn::ops

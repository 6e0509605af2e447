#include "rcnn/ops/random_mask.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <cmath>

#include "rcnn/ops/check.h"
#include "rcnn/ops/cpu/serial_grid.h"
#include "rcnn/ops/dispatch.h"

namespace rcnn::ops {
namespace {

at::Tensor MaskOnCpuOrMeta(const at::Tensor& like, int64_t key, double probability,
                           const c10::optional<at::Tensor>& draw_rows) {
  CheckRandomMaskArguments(like, probability, draw_rows);
  const at::Tensor mask = at::empty(like.sizes(), like.options().dtype(at::kFloat));
  if (like.is_meta()) return mask;
  const auto rows = draw_rows ? c10::make_optional(draw_rows->contiguous()) : c10::nullopt;
  SerialGrid launch;
  FillMask(launch, MakeFillRandomMask(mask, key, probability, rows));
  return mask;
}

TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  DefineOperator(m,
                 "random_mask(Tensor like, int key, float probability, Tensor? draw_rows=None) -> "
                 "Tensor",
                 &MaskOnCpuOrMeta, &MaskOnCpuOrMeta);
}

}  // namespace

void CheckRandomMaskArguments(const at::Tensor& like, double probability,
                              const c10::optional<at::Tensor>& draw_rows) {
  TORCH_CHECK(probability >= 0 && probability <= 1, "probability: expected in [0, 1], got ",
              probability);
  if (!draw_rows) return;
  CheckDtype(*draw_rows, "draw_rows", {at::kLong});
  CheckShape(*draw_rows, "draw_rows", {-1, 2});
  CheckSameLength(*draw_rows, "draw_rows", like, "like");
  CheckSameDevice(*draw_rows, "draw_rows", like, "like");
}

FillRandomMask MakeFillRandomMask(const at::Tensor& mask, int64_t key, double probability,
                                  const c10::optional<at::Tensor>& draw_rows) {
  constexpr double kDraws = 4294967296;  // 2^32
  FillRandomMask fill{};
  fill.rows = draw_rows ? draw_rows->size(0) : 1;
  fill.columns = fill.rows == 0 ? 0 : mask.numel() / fill.rows;
  fill.draw_rows = draw_rows ? draw_rows->data_ptr<int64_t>() : nullptr;
  fill.key = static_cast<uint64_t>(key);
  fill.threshold = static_cast<uint64_t>(std::nearbyint(probability * kDraws));
  fill.mask = mask.data_ptr<float>();
  return fill;
}

at::Tensor RandomMask(const at::Tensor& like, uint64_t key, double probability,
                      const c10::optional<at::Tensor>& draw_rows) {
  static const auto op = FindOperator<decltype(MaskOnCpuOrMeta)>("random_mask");
  return op.call(like, static_cast<int64_t>(key), probability, draw_rows);
}

}  // namespace rcnn::ops

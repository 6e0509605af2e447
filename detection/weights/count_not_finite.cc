#include "rcnn/detection/weights/count_not_finite.h"

#include <ATen/Parallel.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/logical_not.h>
#include <ATen/ops/sum.h>

#include <algorithm>
#include <atomic>

#include "rcnn/base/target_clones.h"

namespace rcnn::detection::weights {
namespace {

constexpr int64_t kPiece = int64_t{1} << 18;

// At most kPiece values. x - x is 0 unless x is NaN or infinite.
RCNN_LOOP int32_t CountInPieceLoop(const float* values, int64_t count) {
  int32_t bad = 0;
  for (int64_t i = 0; i < count; ++i) bad += values[i] - values[i] == 0 ? 0 : 1;
  return bad;
}
RCNN_TARGET_CLONES(int32_t, CountInPiece, CountInPieceLoop, (const float* values, int64_t count),
                   (values, count));

int64_t CountInFloats(const float* values, int64_t count) {
  std::atomic<int64_t> bad{0};
  at::parallel_for(0, count, kPiece, [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end; at += kPiece) {
      bad += CountInPiece(values + at, std::min(kPiece, end - at));
    }
  });
  return bad;
}

// In pieces, because the temporary tensors of a large one take twice its memory.
int64_t CountByOperators(const at::Tensor& flat) {
  int64_t count = 0;
  for (int64_t begin = 0; begin < flat.numel(); begin += kPiece) {
    const at::Tensor piece = flat.slice(0, begin, std::min(begin + kPiece, flat.numel()));
    count += piece.isfinite().logical_not().sum().item<int64_t>();
  }
  return count;
}

}  // namespace

int64_t CountNotFinite(const at::Tensor& tensor) {
  const bool plain = tensor.scalar_type() == at::kFloat && tensor.device().is_cpu();
  if (!plain) return CountByOperators(tensor.reshape({-1}));
  const at::Tensor dense = tensor.contiguous();
  return CountInFloats(dense.data_ptr<float>(), dense.numel());
}

}  // namespace rcnn::detection::weights

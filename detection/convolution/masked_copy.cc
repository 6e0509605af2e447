#include "rcnn/detection/convolution/masked_copy.h"

#include "rcnn/base/target_clones.h"

namespace rcnn::detection {
namespace {

RCNN_LOOP void CopyMaskedLoop(const float* __restrict from, const float* __restrict mask,
                              int64_t count, float* __restrict to) {
  for (int64_t i = 0; i < count; ++i) to[i] = mask[i] <= 0 ? 0.0f : from[i];
}

}  // namespace

RCNN_TARGET_CLONES(void, CopyMasked, CopyMaskedLoop,
                   (const float* __restrict from, const float* __restrict mask, int64_t count,
                    float* __restrict to),
                   (from, mask, count, to));

}  // namespace rcnn::detection

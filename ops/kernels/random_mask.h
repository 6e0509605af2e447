// A mask whose elements are 1 with a given probability and 0 otherwise, for dropout.
//
// An element's random bits are a function of the key and its place (philox.h), so the mask needs no
// generator and is the same on every device. A thread draws four elements.

#ifndef RCNN_OPS_KERNELS_RANDOM_MASK_H_
#define RCNN_OPS_KERNELS_RANDOM_MASK_H_

#include <cstdint>

#include "rcnn/ops/kernels/kernel.h"
#include "rcnn/ops/kernels/philox.h"

namespace rcnn::ops {

struct FillRandomMask {
  static constexpr int64_t kWords = 4;

  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    const uint64_t block = static_cast<uint64_t>(i);
    const PhiloxBlock bits =
        Philox({{static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), 0, 0}}, key);
    const int64_t end = Lesser(kWords, count - kWords * i);
    for (int64_t w = 0; w < end; ++w) mask[kWords * i + w] = bits.word[w] < threshold ? 1.0f : 0.0f;
  }

  int64_t count;
  uint64_t key;
  uint64_t threshold;  // the probability times 2^32
  float* mask;         // [count]
};

template <typename Launch>
void FillMask(Launch& launch, const FillRandomMask& fill) {
  LaunchForEach(launch, CeilDivide(fill.count, FillRandomMask::kWords), fill);
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_RANDOM_MASK_H_

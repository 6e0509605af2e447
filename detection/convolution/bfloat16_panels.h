// Memory for the panels of bfloat16_kernels.h, and for the halves that it packs.
//
// Example:
//   const AlignedBfloat16s panel = AllocateBfloat16s(Bfloat16PanelSize(NumPairs(depth)));

#ifndef RCNN_DETECTION_CONVOLUTION_BFLOAT16_PANELS_H_
#define RCNN_DETECTION_CONVOLUTION_BFLOAT16_PANELS_H_

#include <cstdint>
#include <memory>

#include "rcnn/detection/convolution/bfloat16_kernels.h"

namespace rcnn::detection {

struct FreeBfloat16s {
  void operator()(Bfloat16* numbers) const;
};
using AlignedBfloat16s = std::unique_ptr<Bfloat16[], FreeBfloat16s>;

// `count` uninitialised numbers, aligned to 64 bytes. Throws std::bad_alloc.
AlignedBfloat16s AllocateBfloat16s(int64_t count);
// The same for packed weights (AllocateLastingBlock).
AlignedBfloat16s AllocateLastingBfloat16s(int64_t count);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_BFLOAT16_PANELS_H_

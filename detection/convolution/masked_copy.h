// Copies a row of a gradient where the ReLU before it lets it pass; internal to this folder.
//
// Example:
//   CopyMasked(gradient, relu_output, width, row);

#ifndef RCNN_DETECTION_CONVOLUTION_MASKED_COPY_H_
#define RCNN_DETECTION_CONVOLUTION_MASKED_COPY_H_

#include <cstdint>

namespace rcnn::detection {

// to[i] = from[i], or 0 where mask[i] is at most 0; a NaN passes, as in LibTorch. `to` overlaps
// neither of the others.
void CopyMasked(const float* __restrict from, const float* __restrict mask, int64_t count,
                float* __restrict to);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_MASKED_COPY_H_

// What a convolution by Winograd's method keeps of its weights between runs; internal to this
// folder.
//
// Example:
//   const bool transforms = FrugalWinogradWeights(256, 256) == WinogradWeights::kTransformed;

#ifndef RCNN_DETECTION_CONVOLUTION_WINOGRAD_WEIGHTS_H_
#define RCNN_DETECTION_CONVOLUTION_WINOGRAD_WEIGHTS_H_

#include <cstdint>

namespace rcnn::detection {

// In float32, results have the same bits with both.
enum class WinogradWeights {
  // The transformed kernels: 36 numbers each.
  kTransformed,
  // The kernels: 9 numbers each, which are transformed in every run. Halves where products are of
  // bfloat16 (bfloat16_winograd.h).
  kKernels,
};

// kKernels where there are so many that their transforms take much memory, which also is read more
// slowly than the transforms are computed.
WinogradWeights FrugalWinogradWeights(int64_t out_channels, int64_t in_channels);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_WINOGRAD_WEIGHTS_H_

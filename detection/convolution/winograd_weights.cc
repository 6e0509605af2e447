#include "rcnn/detection/convolution/winograd_weights.h"

namespace rcnn::detection {
namespace {

// Of VGG16 and ResNet-50, layers with at least so many have 99 of a hundred kernels.
constexpr int64_t kManyKernels = 128 * 128;

}  // namespace

WinogradWeights FrugalWinogradWeights(int64_t out_channels, int64_t in_channels) {
  return out_channels * in_channels < kManyKernels ? WinogradWeights::kTransformed
                                                   : WinogradWeights::kKernels;
}

}  // namespace rcnn::detection

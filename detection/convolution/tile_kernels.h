// The end of a tile's product at AVX-512, common to float32 and bfloat16: panel_kernels.cc and
// bfloat16_kernels.cc.

#ifndef RCNN_DETECTION_CONVOLUTION_TILE_KERNELS_H_
#define RCNN_DETECTION_CONVOLUTION_TILE_KERNELS_H_

#include <cstdint>

#include "rcnn/base/target_instructions.h"
#include "rcnn/detection/convolution/panel_kernels.h"

#if defined(__x86_64__)

namespace rcnn::detection {

// Writes rows kRow to 15 of a tile [16, 16] after the operations of `options`, rows `stride` floats
// apart. A template, because GCC keeps the sums in registers only if every index is a constant.
template <int kRow = 0>
RCNN_AVX512 RCNN_UNROLLED void StoreTileRows(const __m512* sums, const TileOptions& options,
                                             float* tile, int64_t stride) {
  if constexpr (kRow < kPanelColumns) {
    __m512 sum = sums[kRow];
    if (options.bias != nullptr) sum = _mm512_add_ps(sum, _mm512_set1_ps(options.bias[kRow]));
    if (options.add != nullptr) {
      sum = _mm512_add_ps(sum, _mm512_loadu_ps(options.add + kRow * options.add_stride));
    }
    // A NaN passes: maxps returns its second operand then. With a mask, because GCC 12 takes the
    // form without one for a use of an uninitialised value.
    if (options.relu) sum = _mm512_maskz_max_ps(0xffff, _mm512_setzero_ps(), sum);
    if (options.mask != nullptr) {
      // A NaN passes, as in LibTorch.
      const __m512 mask = _mm512_loadu_ps(options.mask + kRow * options.mask_stride);
      sum = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(mask, _mm512_setzero_ps(), _CMP_NLE_UQ), sum);
    }
    _mm512_storeu_ps(tile + kRow * stride, sum);
    StoreTileRows<kRow + 1>(sums, options, tile, stride);
  }
}

}  // namespace rcnn::detection

#endif

#endif  // RCNN_DETECTION_CONVOLUTION_TILE_KERNELS_H_

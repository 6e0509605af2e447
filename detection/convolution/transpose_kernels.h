// Rows of vectors that become columns. AVX2 and AVX-512 code, internal to this folder.

#ifndef RCNN_DETECTION_CONVOLUTION_TRANSPOSE_KERNELS_H_
#define RCNN_DETECTION_CONVOLUTION_TRANSPOSE_KERNELS_H_

#include "rcnn/base/target_instructions.h"
#include "rcnn/detection/convolution/interleave_kernels.h"

namespace rcnn::detection {

#if defined(__x86_64__)

// Eight rows of eight.
RCNN_AVX2 inline void Transpose8(__m256 r[8]) {
  Transpose4(r[0], r[1], r[2], r[3]);
  Transpose4(r[4], r[5], r[6], r[7]);
  for (int i = 0; i < 4; ++i) {
    const __m256 a = r[i], b = r[i + 4];
    r[i] = _mm256_permute2f128_ps(a, b, 0x20);
    r[i + 4] = _mm256_permute2f128_ps(a, b, 0x31);
  }
}

// Forms with a mask here and below, because GCC 12 takes those without one for uses of an
// uninitialised value.
template <int kControl>
RCNN_AVX512 RCNN_UNROLLED __m512 ShuffleInQuarters(__m512 a, __m512 b) {
  return _mm512_maskz_shuffle_ps(0xffff, a, b, kControl);
}
template <int kControl>
RCNN_AVX512 RCNN_UNROLLED __m512 ShuffleQuarters(__m512 a, __m512 b) {
  return _mm512_maskz_shuffle_f32x4(0xffff, a, b, kControl);
}

// Of the rows kGroup to kGroup + 3: quarter i of t[kGroup + j] is their elements 4 i + j.
// Templates, because GCC keeps the vectors in registers only if every index is a constant.
template <int kGroup = 0>
RCNN_AVX512 RCNN_UNROLLED void TransposeInQuarters(const __m512* r, __m512* t) {
  if constexpr (kGroup < 16) {
    const __m512 a = _mm512_maskz_unpacklo_ps(0xffff, r[kGroup], r[kGroup + 1]);
    const __m512 b = _mm512_maskz_unpackhi_ps(0xffff, r[kGroup], r[kGroup + 1]);
    const __m512 c = _mm512_maskz_unpacklo_ps(0xffff, r[kGroup + 2], r[kGroup + 3]);
    const __m512 d = _mm512_maskz_unpackhi_ps(0xffff, r[kGroup + 2], r[kGroup + 3]);
    t[kGroup] = ShuffleInQuarters<0x44>(a, c);
    t[kGroup + 1] = ShuffleInQuarters<0xee>(a, c);
    t[kGroup + 2] = ShuffleInQuarters<0x44>(b, d);
    t[kGroup + 3] = ShuffleInQuarters<0xee>(b, d);
    TransposeInQuarters<kGroup + 4>(r, t);
  }
}

// Columns 4 i + kColumn.
template <int kColumn = 0>
RCNN_AVX512 RCNN_UNROLLED void JoinQuarters(const __m512* t, __m512* r) {
  if constexpr (kColumn < 4) {
    const __m512 a = ShuffleQuarters<0x88>(t[kColumn], t[4 + kColumn]);
    const __m512 b = ShuffleQuarters<0xdd>(t[kColumn], t[4 + kColumn]);
    const __m512 c = ShuffleQuarters<0x88>(t[8 + kColumn], t[12 + kColumn]);
    const __m512 d = ShuffleQuarters<0xdd>(t[8 + kColumn], t[12 + kColumn]);
    r[kColumn] = ShuffleQuarters<0x88>(a, c);
    r[4 + kColumn] = ShuffleQuarters<0x88>(b, d);
    r[8 + kColumn] = ShuffleQuarters<0xdd>(a, c);
    r[12 + kColumn] = ShuffleQuarters<0xdd>(b, d);
    JoinQuarters<kColumn + 1>(t, r);
  }
}

// Sixteen rows of sixteen.
RCNN_AVX512 RCNN_UNROLLED void Transpose16(__m512 r[16]) {
  __m512 t[16];
  TransposeInQuarters(r, t);
  JoinQuarters(t, r);
}

#endif

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_TRANSPOSE_KERNELS_H_

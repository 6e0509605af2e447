// Rearranges vectors of eight floats. AVX2 code, internal to this folder.

#ifndef RCNN_DETECTION_CONVOLUTION_INTERLEAVE_KERNELS_H_
#define RCNN_DETECTION_CONVOLUTION_INTERLEAVE_KERNELS_H_

#include "rcnn/base/target_instructions.h"

namespace rcnn::detection {

#if defined(__x86_64__)

// In each half: the four rows of four become columns.
RCNN_AVX2 inline void Transpose4(__m256& r0, __m256& r1, __m256& r2, __m256& r3) {
  const __m256 a = _mm256_unpacklo_ps(r0, r1), b = _mm256_unpackhi_ps(r0, r1);
  const __m256 c = _mm256_unpacklo_ps(r2, r3), d = _mm256_unpackhi_ps(r2, r3);
  r0 = _mm256_shuffle_ps(a, c, 0x44);
  r1 = _mm256_shuffle_ps(a, c, 0xee);
  r2 = _mm256_shuffle_ps(b, d, 0x44);
  r3 = _mm256_shuffle_ps(b, d, 0xee);
}

// Every fourth of 32 floats, from the first, second, third and fourth on.
RCNN_AVX2 inline void Deinterleave(const float* x, __m256 phase[4]) {
  const __m256 a = _mm256_loadu_ps(x), b = _mm256_loadu_ps(x + 8);
  const __m256 c = _mm256_loadu_ps(x + 16), d = _mm256_loadu_ps(x + 24);
  phase[0] = _mm256_permute2f128_ps(a, c, 0x20);
  phase[1] = _mm256_permute2f128_ps(a, c, 0x31);
  phase[2] = _mm256_permute2f128_ps(b, d, 0x20);
  phase[3] = _mm256_permute2f128_ps(b, d, 0x31);
  Transpose4(phase[0], phase[1], phase[2], phase[3]);
}

// The reverse.
RCNN_AVX2 inline void Interleave(__m256 phase[4], float* x) {
  Transpose4(phase[0], phase[1], phase[2], phase[3]);
  _mm256_storeu_ps(x, _mm256_permute2f128_ps(phase[0], phase[1], 0x20));
  _mm256_storeu_ps(x + 8, _mm256_permute2f128_ps(phase[2], phase[3], 0x20));
  _mm256_storeu_ps(x + 16, _mm256_permute2f128_ps(phase[0], phase[1], 0x31));
  _mm256_storeu_ps(x + 24, _mm256_permute2f128_ps(phase[2], phase[3], 0x31));
}

#endif

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_INTERLEAVE_KERNELS_H_

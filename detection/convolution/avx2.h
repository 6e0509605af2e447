// RCNN_AVX2: compiles one function for AVX2 and FMA, whatever the rest is compiled for.
//
// Call such functions only if PanelProductAvailable() (panel_product.h) is true. x86-64
// only. For loops that the compiler vectorises see base/target_clones.h.
//
// Example:
//   RCNN_AVX2 inline __m256 Twice(__m256 x) { return _mm256_add_ps(x, x); }

#ifndef RCNN_DETECTION_CONVOLUTION_AVX2_H_
#define RCNN_DETECTION_CONVOLUTION_AVX2_H_

#if defined(__x86_64__)
#include <immintrin.h>

#define RCNN_AVX2 __attribute__((target("avx2,fma")))
#endif

#endif  // RCNN_DETECTION_CONVOLUTION_AVX2_H_

// RCNN_AVX2 and RCNN_AVX512: compile one function for AVX2 and FMA, or for AVX-512 as well,
// whatever the rest is compiled for.
//
// Call such functions only at the level of instructions that they need
// (base/instruction_level.h). x86-64 only. For loops that the compiler vectorises see
// base/target_clones.h.
//
// Example:
//   RCNN_AVX2 inline __m256 Twice(__m256 x) { return _mm256_add_ps(x, x); }

#ifndef RCNN_DETECTION_CONVOLUTION_TARGET_INSTRUCTIONS_H_
#define RCNN_DETECTION_CONVOLUTION_TARGET_INSTRUCTIONS_H_

#if defined(__x86_64__)
#include <immintrin.h>

#define RCNN_AVX2 __attribute__((target("avx2,fma")))
#define RCNN_AVX512 __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")))
#endif

#endif  // RCNN_DETECTION_CONVOLUTION_TARGET_INSTRUCTIONS_H_

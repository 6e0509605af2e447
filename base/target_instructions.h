// RCNN_AVX2, RCNN_AVX512 and RCNN_AVX512_BF16: compile one function for AVX2 and FMA, for AVX-512
// as well, or also for AVX-512 BF16, whatever the rest is compiled for. RCNN_UNROLLED: inlines it.
//
// Call such functions only at the level of instructions that they need
// (base/instruction_level.h). x86-64 only. For loops that the compiler vectorises see
// base/target_clones.h.
//
// Example:
//   RCNN_AVX2 inline __m256 Twice(__m256 x) { return _mm256_add_ps(x, x); }

#ifndef RCNN_BASE_TARGET_INSTRUCTIONS_H_
#define RCNN_BASE_TARGET_INSTRUCTIONS_H_

// Templates that are called for one vector of an array after the other: GCC keeps the vectors in
// registers only if all of these calls are inlined, and otherwise stores them before the first.
#define RCNN_UNROLLED inline __attribute__((always_inline))

#if defined(__x86_64__)
#include <immintrin.h>

#define RCNN_AVX2 __attribute__((target("avx2,fma")))
#define RCNN_AVX512 __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")))
#define RCNN_AVX512_BF16 \
  __attribute__((target("avx2,fma,bmi2,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
#endif

#endif  // RCNN_BASE_TARGET_INSTRUCTIONS_H_

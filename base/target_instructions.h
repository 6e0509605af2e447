// The intrinsics of vector instructions, and the attributes of functions that use them
// (target_attributes.h). RCNN_UNROLLED: inlines a function, whatever it is compiled for.
//
// Call functions with RCNN_AVX2 and its like only at the level of instructions that they need
// (base/instruction_level.h). x86-64 only. Only files called "kernels" include this
// (tools/developer/check_includes.sh). For loops that the compiler vectorises see
// base/target_clones.h.
//
// Example:
//   RCNN_AVX2 inline __m256 Twice(__m256 x) { return _mm256_add_ps(x, x); }

#ifndef RCNN_BASE_TARGET_INSTRUCTIONS_H_
#define RCNN_BASE_TARGET_INSTRUCTIONS_H_

#include "rcnn/base/target_attributes.h"

// Templates that are called for one vector of an array after the other: GCC keeps the vectors in
// registers only if all of these calls are inlined, and otherwise stores them before the first.
#define RCNN_UNROLLED inline __attribute__((always_inline))

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#endif  // RCNN_BASE_TARGET_INSTRUCTIONS_H_

// Vectors of floats, eight with AVX2 and sixteen with AVX-512, under the same names, so that the
// loops of a kernel are written once.
//
// Such loops are in an .inc file. The kernel's source includes it once per namespace that has
// RCNN_LANES_TARGET, RCNN_AVX2 or RCNN_AVX512, as the attribute of functions, and
// using-declarations of the names below. For examples see the sources that include this header.
//
// Both give a lane the same bits. x86-64 only. Only files called "kernels" include this
// (tools/developer/check_includes.sh), and call these functions at the level of instructions that
// they need (instruction_set.h).
//
// Example:
//   RCNN_AVX2 inline void DoubleEight(float* x) {
//     const avx2_lanes::Lanes lanes = avx2_lanes::Load(x);
//     avx2_lanes::Store(x, avx2_lanes::Add(lanes, lanes));
//   }

#ifndef RCNN_BASE_FLOAT_LANES_KERNELS_H_
#define RCNN_BASE_FLOAT_LANES_KERNELS_H_

#include <cstdint>

#include "rcnn/base/target_instructions.h"

#if defined(__x86_64__)

namespace rcnn {

namespace avx2_lanes {

using Lanes = __m256;
inline constexpr int64_t kLanes = 8;

RCNN_AVX2 inline Lanes Zero() { return _mm256_setzero_ps(); }
RCNN_AVX2 inline Lanes Set(float x) { return _mm256_set1_ps(x); }
// Any alignment.
RCNN_AVX2 inline Lanes Load(const float* x) { return _mm256_loadu_ps(x); }
RCNN_AVX2 inline void Store(float* to, Lanes x) { _mm256_storeu_ps(to, x); }
RCNN_AVX2 inline Lanes Add(Lanes a, Lanes b) { return _mm256_add_ps(a, b); }
RCNN_AVX2 inline Lanes Sub(Lanes a, Lanes b) { return _mm256_sub_ps(a, b); }
RCNN_AVX2 inline Lanes Mul(Lanes a, Lanes b) { return _mm256_mul_ps(a, b); }
// b where one of the two is NaN, or both are zeros.
RCNN_AVX2 inline Lanes Max(Lanes a, Lanes b) { return _mm256_max_ps(a, b); }
// a b + c and c - a b, rounded once.
RCNN_AVX2 inline Lanes MultiplyAdd(Lanes a, Lanes b, Lanes c) { return _mm256_fmadd_ps(a, b, c); }
RCNN_AVX2 inline Lanes NegativeMultiplyAdd(Lanes a, Lanes b, Lanes c) {
  return _mm256_fnmadd_ps(a, b, c);
}

}  // namespace avx2_lanes

namespace avx512_lanes {

using Lanes = __m512;
inline constexpr int64_t kLanes = 16;

RCNN_AVX512 inline Lanes Zero() { return _mm512_setzero_ps(); }
RCNN_AVX512 inline Lanes Set(float x) { return _mm512_set1_ps(x); }
RCNN_AVX512 inline Lanes Load(const float* x) { return _mm512_loadu_ps(x); }
RCNN_AVX512 inline void Store(float* to, Lanes x) { _mm512_storeu_ps(to, x); }
RCNN_AVX512 inline Lanes Add(Lanes a, Lanes b) { return _mm512_add_ps(a, b); }
RCNN_AVX512 inline Lanes Sub(Lanes a, Lanes b) { return _mm512_sub_ps(a, b); }
RCNN_AVX512 inline Lanes Mul(Lanes a, Lanes b) { return _mm512_mul_ps(a, b); }
// With a full mask, because GCC 12 takes the form without one for a use of an uninitialised value.
RCNN_AVX512 inline Lanes Max(Lanes a, Lanes b) { return _mm512_maskz_max_ps(0xffff, a, b); }
RCNN_AVX512 inline Lanes MultiplyAdd(Lanes a, Lanes b, Lanes c) { return _mm512_fmadd_ps(a, b, c); }
RCNN_AVX512 inline Lanes NegativeMultiplyAdd(Lanes a, Lanes b, Lanes c) {
  return _mm512_fnmadd_ps(a, b, c);
}

}  // namespace avx512_lanes

}  // namespace rcnn

#endif

#endif  // RCNN_BASE_FLOAT_LANES_KERNELS_H_

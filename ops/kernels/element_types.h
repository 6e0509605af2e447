// The types of a map's elements, and the types that their sums are kept in.
//
//   element            sum
//   float              float
//   double             double
//   Float16Bits        float   the bits of an IEEE binary16, LibTorch's Half
//   BFloat16Bits       float   the upper half of a float
//
// ToSum is exact. FromSum rounds to the nearest, ties to even; what is too large becomes
// infinite, NaN stays NaN.

#ifndef RCNN_OPS_KERNELS_ELEMENT_TYPES_H_
#define RCNN_OPS_KERNELS_ELEMENT_TYPES_H_

#include <cstdint>
#include <cstring>

#include "rcnn/ops/kernels/kernel.h"

#if defined(__CUDACC__)
#include <cuda_fp16.h>
#endif

namespace rcnn::ops {

struct Float16Bits {
  uint16_t bits;
};
struct BFloat16Bits {
  uint16_t bits;
};

template <typename T>
struct ElementSum {
  using type = float;
};
template <>
struct ElementSum<double> {
  using type = double;
};

RCNN_HOST_DEVICE inline uint32_t BitsFromFloat(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof(bits));
  return bits;
}
RCNN_HOST_DEVICE inline float FloatFromBits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}

RCNN_HOST_DEVICE inline float ToSum(float value) { return value; }
RCNN_HOST_DEVICE inline double ToSum(double value) { return value; }
RCNN_HOST_DEVICE inline float ToSum(BFloat16Bits value) {
  return FloatFromBits(static_cast<uint32_t>(value.bits) << 16);
}
RCNN_HOST_DEVICE inline float ToSum(Float16Bits value) {
#if defined(__CUDA_ARCH__)
  return __half2float(__ushort_as_half(value.bits));
#else
  const uint32_t sign = static_cast<uint32_t>(value.bits & 0x8000u) << 16;
  const uint32_t rest = value.bits & 0x7fffu;
  // Infinite and NaN have the largest exponent in both types.
  if (rest >= 0x7c00u) return FloatFromBits(sign | 0x7f800000u | rest << 13);
  // Scaling by 2^112 moves the exponent to float's bias, and makes subnormals normal.
  const float scaled = FloatFromBits(rest << 13) * FloatFromBits(0x77800000u);
  return FloatFromBits(sign | BitsFromFloat(scaled));
#endif
}

RCNN_HOST_DEVICE inline void FromSum(float sum, float* value) { *value = sum; }
RCNN_HOST_DEVICE inline void FromSum(double sum, double* value) { *value = sum; }
RCNN_HOST_DEVICE inline void FromSum(float sum, BFloat16Bits* value) {
  const uint32_t bits = BitsFromFloat(sum);
  if ((bits & 0x7fffffffu) > 0x7f800000u) {
    value->bits = 0x7fc0u;
  } else {
    value->bits = static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
  }
}
RCNN_HOST_DEVICE inline void FromSum(float sum, Float16Bits* value) {
#if defined(__CUDA_ARCH__)
  value->bits = __half_as_ushort(__float2half_rn(sum));
#else
  const uint32_t bits = BitsFromFloat(sum);
  const uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000u);
  const uint32_t rest = bits & 0x7fffffffu;
  uint32_t rounded;
  if (rest > 0x7f800000u) {
    rounded = 0x7e00u;
  } else if (rest >= 0x47800000u) {  // 2^16
    rounded = 0x7c00u;
  } else if (rest < 0x38800000u) {
    // Below 2^-14: adding .5 leaves multiples of 2^-24 in the lower bits, rounded by the addition.
    rounded = BitsFromFloat(FloatFromBits(rest) + 0.5f) - BitsFromFloat(0.5f);
  } else {
    // To float16's bias. A carry goes to the exponent, and from the largest to infinity.
    rounded = (rest - 0x38000000u + 0xfffu + (rest >> 13 & 1u)) >> 13;
  }
  value->bits = static_cast<uint16_t>(sign | rounded);
#endif
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_ELEMENT_TYPES_H_

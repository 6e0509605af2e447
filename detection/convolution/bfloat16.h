// bfloat16 numbers: the upper half of a float32, with 8 bits of precision.
//
// Rounds as the processor's instructions do: to nearest, ties to even; float32 denormals become 0,
// and a NaN stays one.
//
// Example:
//   const Bfloat16 half = RoundToBfloat16(0.5f);
//   const float x = ToFloat(half);  // 0.5f

#ifndef RCNN_DETECTION_CONVOLUTION_BFLOAT16_H_
#define RCNN_DETECTION_CONVOLUTION_BFLOAT16_H_

#include <cstdint>
#include <cstring>

namespace rcnn::detection {

// The bits.
using Bfloat16 = uint16_t;

inline Bfloat16 RoundToBfloat16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  const uint32_t exponent = bits & 0x7f800000, sign = bits & 0x80000000;
  if (exponent == 0) return static_cast<Bfloat16>(sign >> 16);
  if (exponent == 0x7f800000 && (bits & 0x7fffff) != 0) {
    return static_cast<Bfloat16>(bits >> 16 | 0x40);
  }
  return static_cast<Bfloat16>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline float ToFloat(Bfloat16 x) {
  const uint32_t bits = static_cast<uint32_t>(x) << 16;
  float result;
  std::memcpy(&result, &bits, sizeof(result));
  return result;
}

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_BFLOAT16_H_

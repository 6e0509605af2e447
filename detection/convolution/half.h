// IEEE binary16 numbers, called half precision: 11 bits of precision, from 2^-24 to 65504.
//
// For weights whose rows are stored in 16 bits per number. A row can have any magnitude: its
// numbers are multiplied by HalfScale, a power of two, before they are rounded. Then, with L the
// largest magnitude of a row, if that is at least 2^-112, a number x changes by at most
//
//   max(2^-11 |x|, 2^-39 L)
//
// which is an eighth of what rounding to bfloat16 changes.
//
// Rounds as the processor's instructions do: to nearest, ties to even; numbers from 65520 on become
// infinite, and a NaN stays one.
//
// Source: IEEE 754-2019, Sec. 3.4 and 4.3.
//
// Example:
//   const float scale = HalfScale(/*largest=*/0.3f);
//   const Half half = RoundToHalf(0.1f * scale);
//   const float x = HalfToFloat(half) / scale;  // 0.1f, but for rounding

#ifndef RCNN_DETECTION_CONVOLUTION_HALF_H_
#define RCNN_DETECTION_CONVOLUTION_HALF_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace rcnn::detection {

// The bits.
using Half = uint16_t;

inline Half RoundToHalf(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  const uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  const auto shift_and_round = [](uint32_t number, uint32_t shift) {
    const uint32_t below_half = (uint32_t{1} << (shift - 1)) - 1;
    return (number + below_half + (number >> shift & 1)) >> shift;
  };
  uint32_t rounded;
  if (magnitude > 0x7f800000) {  // NaN
    rounded = 0x7e00 | (magnitude >> 13 & 0x3ff);
  } else if (magnitude >= 0x477ff000) {  // 65520
    rounded = 0x7c00;
  } else if (magnitude >= 0x38800000) {  // 2^-14, the least normal number: only the bias differs
    rounded = shift_and_round(magnitude - (uint32_t{127 - 15} << 23), 13);
  } else if (magnitude <= 0x33000000) {  // 2^-25
    rounded = 0;
  } else {  // a multiple of 2^-24; x is significand * 2^(exponent - 150)
    const uint32_t exponent = magnitude >> 23, significand = (magnitude & 0x7fffff) | 0x800000;
    rounded = shift_and_round(significand, 126 - exponent);
  }
  return static_cast<Half>(sign | rounded);
}

// Exact.
inline float HalfToFloat(Half x) {
  const uint32_t sign = static_cast<uint32_t>(x & 0x8000) << 16, magnitude = x & 0x7fff;
  if (magnitude < 0x400) {  // denormal
    const float value = static_cast<float>(magnitude) * 0x1p-24f;
    return sign != 0 ? -value : value;
  }
  uint32_t bits = (magnitude << 13) + (uint32_t{127 - 15} << 23);
  if (magnitude >= 0x7c00) bits = 0x7f800000 | magnitude << 13;
  if (magnitude > 0x7c00) bits |= 0x400000;  // a quiet NaN
  bits |= sign;
  float result;
  std::memcpy(&result, &bits, sizeof(result));
  return result;
}

// The power of two for a row with the largest magnitude `largest`, which is finite: largest * scale
// is in [2^14, 2^15), from where it rounds to a finite number. At most 2^126, so that 1 / scale,
// which is exact, is a normal number; this gives less than 2^14 if largest < 2^-112. 1 if it is 0.
inline float HalfScale(float largest) {
  return largest == 0 ? 1.0f : std::ldexp(1.0f, std::min(14 - std::ilogb(largest), 126));
}

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_HALF_H_

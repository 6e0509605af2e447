#include "rcnn/ops/cpu/preprocess_kernels.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "rcnn/base/float_lanes_kernels.h"
#include "rcnn/base/instruction_set.h"
#include "rcnn/base/target_instructions.h"

namespace rcnn::ops {
namespace {

// Portable loops, which also do what is left of a row where the vectors below end.

typedef uint8_t Bytes16 __attribute__((vector_size(16)));
typedef int16_t Shorts8 __attribute__((vector_size(16)));
typedef int32_t Ints4 __attribute__((vector_size(16)));
typedef float Floats4 __attribute__((vector_size(16)));
typedef Floats4 UnalignedFloats4 __attribute__((aligned(4), may_alias));

inline int32_t LoadWord(const uint8_t* from) {
  int32_t word;
  std::memcpy(&word, from, sizeof(word));
  return word;
}

// Red, green, blue and the byte that follows, each widened by interleaving with zeros.
inline __attribute__((always_inline)) Floats4 LoadPixel(const uint8_t* from) {
  const Bytes16 bytes = reinterpret_cast<Bytes16>(Ints4{LoadWord(from), 0, 0, 0});
  const Bytes16 pairs = __builtin_shufflevector(bytes, Bytes16{}, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20,
                                                5, 21, 6, 22, 7, 23);
  const Shorts8 wide = __builtin_shufflevector(reinterpret_cast<Shorts8>(pairs), Shorts8{}, 0, 8, 1,
                                               9, 2, 10, 3, 11);
  return __builtin_convertvector(reinterpret_cast<Ints4>(wide), Floats4);
}

inline __attribute__((always_inline)) Floats4 BlendPixels(const uint8_t* row,
                                                          const ResizeAxis& axis, int64_t i) {
  const Floats4 low = LoadPixel(row + axis.low[i]);
  const Floats4 high = LoadPixel(row + axis.high[i]);
  return low + (high - low) * axis.weight[i];
}

inline __attribute__((always_inline)) void StoreFour(const Floats4& value, float* to) {
  *reinterpret_cast<UnalignedFloats4*>(to) = value;
}

// Pixels from `begin` on. Four at a time: their vectors (red, green, blue, byte that follows) are
// transposed into four reds, four greens and four blues.
void ResizeFrom(const uint8_t* row, const ResizeAxis& axis, int64_t begin, int64_t plane_stride,
                float* planes) {
  const int64_t count = static_cast<int64_t>(axis.low.size());
  int64_t i = begin;
  for (; i + 4 <= count; i += 4) {
    const Floats4 a = BlendPixels(row, axis, i);
    const Floats4 b = BlendPixels(row, axis, i + 1);
    const Floats4 c = BlendPixels(row, axis, i + 2);
    const Floats4 d = BlendPixels(row, axis, i + 3);
    const Floats4 ab = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    const Floats4 cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    const Floats4 ab_blue = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    const Floats4 cd_blue = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    StoreFour(__builtin_shufflevector(ab, cd, 0, 1, 4, 5), planes + i);
    StoreFour(__builtin_shufflevector(ab, cd, 2, 3, 6, 7), planes + plane_stride + i);
    StoreFour(__builtin_shufflevector(ab_blue, cd_blue, 0, 1, 4, 5), planes + 2 * plane_stride + i);
  }
  for (; i < count; ++i) {
    const Floats4 pixel = BlendPixels(row, axis, i);
    for (int64_t c = 0; c < 3; ++c) planes[c * plane_stride + i] = pixel[c];
  }
}

inline __attribute__((always_inline)) float BlendOne(float low, float high, const BlendRow& blend) {
  return (low + (high - low) * blend.weight - blend.mean) * blend.factor;
}

void BlendFrom(const float* __restrict low, const float* __restrict high, const BlendRow& blend,
               int64_t begin, int64_t count, float* __restrict to) {
  const BlendRow constant = blend;
  for (int64_t i = begin; i < count; ++i) to[i] = BlendOne(low[i], high[i], constant);
}

void BlendFromToPixels(const float* const low[3], const float* const high[3],
                       const BlendRow blend[3], int64_t begin, int64_t count,
                       float* __restrict to) {
  for (int64_t i = begin; i < count; ++i) {
    for (int64_t c = 0; c < 3; ++c) to[3 * i + c] = BlendOne(low[c][i], high[c][i], blend[c]);
  }
}

#if defined(__x86_64__)

// Words are loaded one by one, because gathers are slow on many processors.
RCNN_AVX2 RCNN_UNROLLED __m128i LoadFourWords(const uint8_t* from, const int32_t* offsets) {
  __m128i words = _mm_cvtsi32_si128(LoadWord(from + offsets[0]));
  words = _mm_insert_epi32(words, LoadWord(from + offsets[1]), 1);
  words = _mm_insert_epi32(words, LoadWord(from + offsets[2]), 2);
  return _mm_insert_epi32(words, LoadWord(from + offsets[3]), 3);
}

RCNN_AVX2 RCNN_UNROLLED __m256i LoadEightWords(const uint8_t* from, const int32_t* offsets) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(LoadFourWords(from, offsets)),
                                 LoadFourWords(from, offsets + 4), 1);
}

namespace avx2 {

#define RCNN_LANES_TARGET RCNN_AVX2
using avx2_lanes::Add, avx2_lanes::kLanes, avx2_lanes::Lanes, avx2_lanes::Load, avx2_lanes::Mul,
    avx2_lanes::Set, avx2_lanes::Store, avx2_lanes::Sub;
using Words = __m256i;

RCNN_AVX2 inline Words LoadWords(const uint8_t* from, const int32_t* offsets) {
  return LoadEightWords(from, offsets);
}
template <int kByte>
RCNN_AVX2 RCNN_UNROLLED Lanes ToFloats(Words words) {
  const Words shifted = _mm256_srli_epi32(words, 8 * kByte);
  return _mm256_cvtepi32_ps(_mm256_and_si256(shifted, _mm256_set1_epi32(0xFF)));
}
template <typename Order>
RCNN_AVX2 RCNN_UNROLLED Lanes Reorder(Lanes x, const Order& order) {
  return _mm256_permutevar8x32_ps(x,
                                  _mm256_load_si256(reinterpret_cast<const __m256i*>(order.from)));
}
template <int kMask>
RCNN_AVX2 RCNN_UNROLLED Lanes Blend(Lanes a, Lanes b) {
  return _mm256_blend_ps(a, b, kMask);
}

#include "rcnn/ops/cpu/preprocess_lanes_kernels.inc"
#undef RCNN_LANES_TARGET

}  // namespace avx2

// Full masks, because GCC 12 warns that the intrinsics without one use an uninitialised value.
namespace avx512 {

#define RCNN_LANES_TARGET RCNN_AVX512
using avx512_lanes::Add, avx512_lanes::kLanes, avx512_lanes::Lanes, avx512_lanes::Load,
    avx512_lanes::Mul, avx512_lanes::Set, avx512_lanes::Store, avx512_lanes::Sub;
using Words = __m512i;

RCNN_AVX512 inline Words LoadWords(const uint8_t* from, const int32_t* offsets) {
  return _mm512_maskz_inserti64x4(0xff, _mm512_castsi256_si512(LoadEightWords(from, offsets)),
                                  LoadEightWords(from, offsets + 8), 1);
}
template <int kByte>
RCNN_AVX512 RCNN_UNROLLED Lanes ToFloats(Words words) {
  const Words shifted = _mm512_maskz_srli_epi32(0xffff, words, 8 * kByte);
  return _mm512_maskz_cvtepi32_ps(0xffff, _mm512_and_si512(shifted, _mm512_set1_epi32(0xFF)));
}
template <typename Order>
RCNN_AVX512 RCNN_UNROLLED Lanes Reorder(Lanes x, const Order& order) {
  return _mm512_maskz_permutexvar_ps(0xffff, _mm512_load_si512(order.from), x);
}
template <int kMask>
RCNN_AVX512 RCNN_UNROLLED Lanes Blend(Lanes a, Lanes b) {
  return _mm512_mask_blend_ps(kMask, a, b);
}

#include "rcnn/ops/cpu/preprocess_lanes_kernels.inc"
#undef RCNN_LANES_TARGET

}  // namespace avx512

#endif

}  // namespace

ResizeAxis ComputeResizeAxis(int64_t count, double step, int64_t size) {
  ResizeAxis axis;
  const double last = static_cast<double>(size - 1);
  for (int64_t i = 0; i < count; ++i) {
    const double exact = (static_cast<double>(i) + 0.5) * step - 0.5;
    const double position = std::min(std::max(exact, 0.0), last);
    const double low = std::floor(position);
    axis.low.push_back(static_cast<int32_t>(low));
    axis.high.push_back(static_cast<int32_t>(std::min(low + 1, last)));
    axis.weight.push_back(static_cast<float>(position - low));
  }
  return axis;
}

// Vectors of sixteen are followed by one of eight where it fits.
void ResizeRow(const uint8_t* row, const ResizeAxis& axis, int64_t plane_stride, float* planes) {
  int64_t done = 0;
#if defined(__x86_64__)
  const InstructionLevel level = CurrentInstructionLevel();
  if (level >= InstructionLevel::kAvx512) {
    done = avx512::ResizeVectors(row, axis, done, plane_stride, planes);
  }
  if (level >= InstructionLevel::kAvx2) {
    done = avx2::ResizeVectors(row, axis, done, plane_stride, planes);
  }
#endif
  ResizeFrom(row, axis, done, plane_stride, planes);
}

void BlendRows(const float* low, const float* high, const BlendRow& blend, int64_t count,
               float* to) {
  int64_t done = 0;
#if defined(__x86_64__)
  const InstructionLevel level = CurrentInstructionLevel();
  if (level >= InstructionLevel::kAvx512) {
    done = avx512::BlendVectors(low, high, blend, done, count, to);
  }
  if (level >= InstructionLevel::kAvx2) {
    done = avx2::BlendVectors(low, high, blend, done, count, to);
  }
#endif
  BlendFrom(low, high, blend, done, count, to);
}

void BlendRowsToPixels(const float* const low[3], const float* const high[3],
                       const BlendRow blend[3], int64_t count, float* to) {
  int64_t done = 0;
#if defined(__x86_64__)
  const InstructionLevel level = CurrentInstructionLevel();
  if (level >= InstructionLevel::kAvx512) {
    done = avx512::BlendVectorsToPixels(low, high, blend, done, count, to);
  }
  if (level >= InstructionLevel::kAvx2) {
    done = avx2::BlendVectorsToPixels(low, high, blend, done, count, to);
  }
#endif
  BlendFromToPixels(low, high, blend, done, count, to);
}

}  // namespace rcnn::ops

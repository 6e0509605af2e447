// The three transforms of winograd.cc, in one variable; each is applied to the columns and then to
// the rows of a tile. The points are 0, +-a, +-b and infinity with a = sqrt(1/2), b = sqrt(2). Then
// a^2 b^2 = 1, and with s = a^2 + b^2 the matrices are
//
//         0: [ 1   0   0  ]                 0: [ 1    0   -s    0   1   0 ]
//        +a: [ 1   a   a^2] * 1/na         +a: [ 0 -a b^2 -b^2  a   1   0 ]
//   G =  -a: [ 1  -a   a^2] * 1/na   Bt =  -a: [ 0  a b^2 -b^2 -a   1   0 ]
//        +b: [ 1   b   b^2] * 1/nb         +b: [ 0 -b a^2 -a^2  b   1   0 ]
//        -b: [ 1  -b   b^2] * 1/nb         -b: [ 0  b a^2 -a^2 -b   1   0 ]
//       inf: [ 0   0   1  ]               inf: [ 0    1    0   -s   0   1 ]
//
//   na = 2 a^2 (a^2 - b^2), nb = 2 b^2 (b^2 - a^2): the products of a point's differences from the
//   other finite ones.
//
//        [ 1   1    1    1    1   0 ]
//   At = [ 0   a   -a    b   -b   0 ]
//        [ 0  a^2  a^2  b^2  b^2  0 ]
//        [ 0  a^3 -a^3  b^3 -b^3  1 ]
//
// Points come in pairs +-p, whose rows differ in the sign of the odd powers. So the even and the
// odd part are computed once, then added and subtracted, which halves the work; every function
// below is written this way. Gradients are the transposes, A and Gt.
//
// Invariant: kernels are transformed in float64 and rounded once; inputs and sums in float32. The
// rounding error of a result grows with the spread of the matrices' entries, which is smallest for
// these points: 7 times that of a plain convolution, instead of 40 times with 0, +-1, +-2.
//
// Source: Lavin and Gray, arXiv:1509.09308v2, Sec. 4; the points are rcnn's own choice.

#include "rcnn/detection/convolution/winograd_kernels.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "rcnn/base/float_lanes_kernels.h"
#include "rcnn/base/target_clones.h"
#include "rcnn/base/target_instructions.h"
#include "rcnn/detection/convolution/interleave_kernels.h"
#include "rcnn/detection/convolution/transpose_kernels.h"

namespace rcnn::detection {
namespace {

// The points of the interpolation besides 0 and infinity are +-kA and +-kB. Their
// squares have the product 1 and the sum kSum.
constexpr double kA2 = 0.5, kB2 = 2, kSum = kA2 + kB2;
const double kA = std::sqrt(kA2), kB = std::sqrt(kB2);

// A kernel's values at +-kA and at +-kB are divided by the product of the point's differences
// from the other finite ones.
constexpr double kAtA = 1 / (2 * kA2 * (kA2 - kB2)), kAtB = 1 / (2 * kB2 * (kB2 - kA2));

// Kernels that are transformed together, element by element.
constexpr int64_t kKernels = 32;
using Lanes = double[kKernels];

// Three elements of a row or column at the six points.
inline __attribute__((always_inline)) void TransformTriples(const Lanes& g0, const Lanes& g1,
                                                            const Lanes& g2, Lanes* __restrict v) {
  const double a = kA * kAtA, b = kB * kAtB;
  for (int64_t k = 0; k < kKernels; ++k) {
    const double even_a = kAtA * g0[k] + kA2 * kAtA * g2[k];
    const double even_b = kAtB * g0[k] + kB2 * kAtB * g2[k];
    v[0][k] = g0[k];
    v[1][k] = even_a + a * g1[k];
    v[2][k] = even_a - a * g1[k];
    v[3][k] = even_b + b * g1[k];
    v[4][k] = even_b - b * g1[k];
    v[5][k] = g2[k];
  }
}

// kKernels kernels, element e at kernels + e * kernel_stride.
RCNN_LOOP void TransformLanesLoop(const float* __restrict kernels, int64_t kernel_stride,
                                  float* __restrict transformed, int64_t stride) {
  Lanes elements[9], rows[3][kTileIn], points[kTileIn];
  for (int64_t e = 0; e < 9; ++e) {
    for (int64_t k = 0; k < kKernels; ++k) elements[e][k] = kernels[e * kernel_stride + k];
  }
  for (int64_t r = 0; r < 3; ++r) {
    TransformTriples(elements[3 * r], elements[3 * r + 1], elements[3 * r + 2], rows[r]);
  }
  for (int64_t j = 0; j < kTileIn; ++j) {
    TransformTriples(rows[0][j], rows[1][j], rows[2][j], points);
    for (int64_t i = 0; i < kTileIn; ++i) {
      float* out = transformed + (kTileIn * i + j) * stride;
      for (int64_t k = 0; k < kKernels; ++k) out[k] = static_cast<float>(points[i][k]);
    }
  }
}
RCNN_TARGET_CLONES(void, TransformLanes, TransformLanesLoop,
                   (const float* __restrict kernels, int64_t kernel_stride,
                    float* __restrict transformed, int64_t stride),
                   (kernels, kernel_stride, transformed, stride));

// The first `some` of the lanes that `fill` writes: element e at lanes + kKernels * e.
template <typename Fill>
void TransformSome(int64_t some, const Fill& fill, float* transformed, int64_t stride) {
  float lanes[9 * kKernels] = {}, points[kTilePoints * kKernels];
  fill(lanes);
  if (some == kKernels) {
    TransformLanes(lanes, kKernels, transformed, stride);
    return;
  }
  TransformLanes(lanes, kKernels, points, kKernels);
  for (int64_t t = 0; t < kTilePoints; ++t) {
    std::copy_n(points + t * kKernels, some, transformed + t * stride);
  }
}

}  // namespace

void TransformKernels(const float* kernels, int64_t count, float* transformed, int64_t stride) {
  for (int64_t begin = 0; begin < count; begin += kKernels) {
    const int64_t some = std::min(kKernels, count - begin);
    const auto fill = [&](float* lanes) {
      for (int64_t k = 0; k < some; ++k) {
        for (int64_t e = 0; e < 9; ++e) lanes[kKernels * e + k] = kernels[9 * (begin + k) + e];
      }
    };
    TransformSome(some, fill, transformed + begin, stride);
  }
}

void TransformKernelElements(const float* kernels, int64_t kernel_stride, int64_t count,
                             float* transformed, int64_t stride) {
  int64_t begin = 0;
  for (; begin + kKernels <= count; begin += kKernels) {
    TransformLanes(kernels + begin, kernel_stride, transformed + begin, stride);
  }
  if (begin == count) return;
  const auto fill = [&](float* lanes) {
    for (int64_t e = 0; e < 9; ++e) {
      std::copy(kernels + e * kernel_stride + begin, kernels + e * kernel_stride + count,
                lanes + kKernels * e);
    }
  };
  TransformSome(count - begin, fill, transformed + begin, stride);
}

#if defined(__x86_64__)

namespace {

// Eight tiles.
namespace avx2 {

#define RCNN_LANES_TARGET RCNN_AVX2
using avx2_lanes::Add, avx2_lanes::kLanes, avx2_lanes::Lanes, avx2_lanes::Load, avx2_lanes::Max,
    avx2_lanes::Mul, avx2_lanes::MultiplyAdd, avx2_lanes::NegativeMultiplyAdd, avx2_lanes::Set,
    avx2_lanes::Store, avx2_lanes::Sub;

RCNN_AVX2 inline void Interleave(Lanes a, Lanes b, Lanes c, Lanes d, float* out) {
  Lanes phase[4] = {a, b, c, d};
  detection::Interleave(phase, out);
}

#include "rcnn/detection/convolution/winograd_lanes_kernels.inc"
#undef RCNN_LANES_TARGET

}  // namespace avx2

// Sixteen tiles.
namespace avx512 {

#define RCNN_LANES_TARGET RCNN_AVX512
using avx512_lanes::Add, avx512_lanes::kLanes, avx512_lanes::Lanes, avx512_lanes::Load,
    avx512_lanes::Max, avx512_lanes::Mul, avx512_lanes::MultiplyAdd,
    avx512_lanes::NegativeMultiplyAdd, avx512_lanes::Set, avx512_lanes::Store, avx512_lanes::Sub;

// In each quarter of the lanes the four rows of four become columns, then the quarters do. With
// masks here and below, because GCC 12 takes the forms without one for uses of an uninitialised
// value.
RCNN_AVX512 inline void Interleave(Lanes a, Lanes b, Lanes c, Lanes d, float* out) {
  const Lanes low_ab = _mm512_maskz_unpacklo_ps(0xffff, a, b);
  const Lanes high_ab = _mm512_maskz_unpackhi_ps(0xffff, a, b);
  const Lanes low_cd = _mm512_maskz_unpacklo_ps(0xffff, c, d);
  const Lanes high_cd = _mm512_maskz_unpackhi_ps(0xffff, c, d);
  const Lanes t0 = ShuffleInQuarters<0x44>(low_ab, low_cd);
  const Lanes t1 = ShuffleInQuarters<0xee>(low_ab, low_cd);
  const Lanes t2 = ShuffleInQuarters<0x44>(high_ab, high_cd);
  const Lanes t3 = ShuffleInQuarters<0xee>(high_ab, high_cd);
  const Lanes u0 = ShuffleQuarters<0x44>(t0, t1), u1 = ShuffleQuarters<0xee>(t0, t1);
  const Lanes u2 = ShuffleQuarters<0x44>(t2, t3), u3 = ShuffleQuarters<0xee>(t2, t3);
  Store(out, ShuffleQuarters<0x88>(u0, u2));
  Store(out + 16, ShuffleQuarters<0xdd>(u0, u2));
  Store(out + 32, ShuffleQuarters<0x88>(u1, u3));
  Store(out + 48, ShuffleQuarters<0xdd>(u1, u3));
}

#include "rcnn/detection/convolution/winograd_lanes_kernels.inc"
#undef RCNN_LANES_TARGET

// The columns of sixteen tiles: every fourth pixel of a row, from the first to the sixth on.
struct Columns {
  Lanes c0, c1, c2, c3, c4, c5;
};

// Lanes 1 to 15 of a, and the first of b.
RCNN_AVX512 inline Lanes ShiftByOne(Lanes a, Lanes b) {
  return _mm512_castsi512_ps(
      _mm512_maskz_alignr_epi32(0xffff, _mm512_castps_si512(b), _mm512_castps_si512(a), 1));
}

// `inside`: 0xffff for a row of the map, else 0.
RCNN_AVX512 inline Columns LoadColumns(const float* row, const TilePart& part, uint32_t inside) {
  const auto load = [&](int v) __attribute__((target("avx512f"))) {
    return _mm512_maskz_loadu_ps(static_cast<__mmask16>(part.pixels[v] & inside), row + 16 * v);
  };
  const Lanes a = load(0), b = load(1), c = load(2), d = load(3), e = load(4);
  const __m512i first = _mm512_set_epi32(29, 25, 21, 17, 13, 9, 5, 1, 28, 24, 20, 16, 12, 8, 4, 0);
  const __m512i last = _mm512_set_epi32(31, 27, 23, 19, 15, 11, 7, 3, 30, 26, 22, 18, 14, 10, 6, 2);
  const Lanes ab01 = _mm512_permutex2var_ps(a, first, b), ab23 = _mm512_permutex2var_ps(a, last, b);
  const Lanes cd01 = _mm512_permutex2var_ps(c, first, d), cd23 = _mm512_permutex2var_ps(c, last, d);
  Columns columns;
  columns.c0 = ShuffleQuarters<0x44>(ab01, cd01);
  columns.c1 = ShuffleQuarters<0xee>(ab01, cd01);
  columns.c2 = ShuffleQuarters<0x44>(ab23, cd23);
  columns.c3 = ShuffleQuarters<0xee>(ab23, cd23);
  columns.c4 = ShiftByOne(columns.c0, e);
  columns.c5 = ShiftByOne(columns.c1, ShiftByOne(e, e));
  return columns;
}

// Row i at the first three points; the last three go to `later`, which has three vectors a row.
RCNN_AVX512 inline Triple TransformRow(const float* plane, int64_t width, const TilePart& part,
                                       int64_t i, float* later) {
  const uint32_t inside = 0xffff * (part.rows >> i & 1);
  const Columns d = LoadColumns(plane + part.offset + i * width, part, inside);
  const Triple last = LastPoints(d.c1, d.c2, d.c3, d.c4, d.c5);
  Store(later + 3 * kLanes * i, last.p);
  Store(later + 3 * kLanes * i + kLanes, last.q);
  Store(later + 3 * kLanes * i + 2 * kLanes, last.r);
  return FirstPoints(d.c0, d.c1, d.c2, d.c3, d.c4);
}

struct MaskedStore {
  __mmask16 lanes;
  RCNN_AVX512 void operator()(float* out, Lanes x) const { _mm512_mask_storeu_ps(out, lanes, x); }
};

template <typename StoreLanes>
RCNN_AVX512 inline void TransformPixelsTo(const float* plane, int64_t width, const TilePart& part,
                                          const StoreLanes& store, float* out, int64_t stride) {
  alignas(64) float later[3 * kTileIn * kLanes];
  const Triple r0 = TransformRow(plane, width, part, 0, later);
  const Triple r1 = TransformRow(plane, width, part, 1, later);
  const Triple r2 = TransformRow(plane, width, part, 2, later);
  const Triple r3 = TransformRow(plane, width, part, 3, later);
  const Triple r4 = TransformRow(plane, width, part, 4, later);
  const Triple r5 = TransformRow(plane, width, part, 5, later);
  StoreColumn(r0.p, r1.p, r2.p, r3.p, r4.p, r5.p, store, out, stride);
  StoreColumn(r0.q, r1.q, r2.q, r3.q, r4.q, r5.q, store, out + stride, stride);
  StoreColumn(r0.r, r1.r, r2.r, r3.r, r4.r, r5.r, store, out + 2 * stride, stride);
  for (int64_t j = 0; j < 3; ++j) {
    const float* d = later + j * kLanes;
    constexpr int64_t kRow = 3 * kLanes;
    StoreColumn(Load(d), Load(d + kRow), Load(d + 2 * kRow), Load(d + 3 * kRow), Load(d + 4 * kRow),
                Load(d + 5 * kRow), store, out + (3 + j) * stride, stride);
  }
}

// Rows of a few cache lines each, which the processor does not prefetch by itself. Inlined, because
// GCC drops calls of functions that do nothing but prefetch.
RCNN_AVX512 RCNN_UNROLLED void PrefetchPixels(const float* plane, int64_t width,
                                              const TilePart& part) {
  const float* row = plane + part.prefetched_plane + part.offset;
  for (int64_t i = 0; i < kTileIn; ++i, row += width) {
    for (int64_t v = 0; v < 5; ++v) _mm_prefetch(row + kLanes * v, _MM_HINT_T1);
  }
}

RCNN_AVX512 inline void TransformPixels(const float* plane, int64_t width, const TilePart& part,
                                        float* out, int64_t stride) {
  if (part.prefetched_plane != 0) PrefetchPixels(plane, width, part);
  if (part.whole) {
    TransformPixelsTo(plane, width, part, WholeStore(), out, stride);
  } else {
    TransformPixelsTo(plane, width, part, MaskedStore{part.lanes}, out, stride);
  }
}

}  // namespace avx512

}  // namespace

// The lanes of a and the first of b, but for the first of a.
RCNN_AVX2 inline __m256 ShiftByOne(__m256 a, __m256 b) {
  const __m256i middle = _mm256_castps_si256(_mm256_permute2f128_ps(a, b, 0x21));
  return _mm256_castsi256_ps(_mm256_alignr_epi8(middle, _mm256_castps_si256(a), 4));
}

// Columns 4 and 5 of a tile are columns 0 and 1 of the next.
RCNN_AVX2 void CutIntoTiles(const float* row, int64_t count, float* columns, int64_t stride) {
  __m256 phase[4], next[4];
  Deinterleave(row, phase);
  for (int64_t p = 0; p < count; p += kTileLanes) {
    Deinterleave(row + kTileOut * (p + kTileLanes), next);
    for (int q = 0; q < 4; ++q) _mm256_storeu_ps(columns + q * stride + p, phase[q]);
    _mm256_storeu_ps(columns + 4 * stride + p, ShiftByOne(phase[0], next[0]));
    _mm256_storeu_ps(columns + 5 * stride + p, ShiftByOne(phase[1], next[1]));
    for (int q = 0; q < 4; ++q) phase[q] = next[q];
  }
}

namespace {

RCNN_AVX2 void TransformInputAvx2(const float* tiles, int64_t stride, float* transformed,
                                  int64_t transformed_stride) {
  for (int64_t p = 0; p < kTileGroup; p += avx2::kLanes) {
    avx2::TransformInput(tiles + p, stride, transformed + p, transformed_stride);
  }
}

RCNN_AVX2 void TransformOutputAvx2(const float* sums, int64_t stride, float bias, bool relu,
                                   float* rows, int64_t row_stride) {
  for (int64_t p = 0; p < kTileGroup; p += avx2::kLanes) {
    avx2::TransformOutput(sums + p, stride, bias, relu, rows + kTileOut * p, row_stride);
  }
}

RCNN_AVX512 void TransformInputAvx512(const float* tiles, int64_t stride, float* transformed,
                                      int64_t transformed_stride) {
  avx512::TransformInput(tiles, stride, transformed, transformed_stride);
}

RCNN_AVX512 void TransformOutputAvx512(const float* sums, int64_t stride, float bias, bool relu,
                                       float* rows, int64_t row_stride) {
  avx512::TransformOutput(sums, stride, bias, relu, rows, row_stride);
}

RCNN_AVX512 void TransformPixelsAvx512(const float* plane, int64_t width, const TilePart& part,
                                       float* transformed, int64_t transformed_stride) {
  avx512::TransformPixels(plane, width, part, transformed, transformed_stride);
}

RCNN_AVX2 void TransformOutputGradientAvx2(const float* tiles, int64_t stride, float* transformed,
                                           int64_t transformed_stride) {
  for (int64_t p = 0; p < kTileGroup; p += avx2::kLanes) {
    avx2::TransformOutputGradient(tiles + p, stride, transformed + p, transformed_stride);
  }
}

RCNN_AVX512 void TransformOutputGradientAvx512(const float* tiles, int64_t stride,
                                               float* transformed, int64_t transformed_stride) {
  avx512::TransformOutputGradient(tiles, stride, transformed, transformed_stride);
}

RCNN_AVX2 void TransformKernelGradientsAvx2(const float* sums, int64_t stride, float* kernels) {
  avx2::TransformKernelGradients(sums, stride, kernels);
}

RCNN_AVX512 void TransformKernelGradientsAvx512(const float* sums, int64_t stride, float* kernels) {
  avx512::TransformKernelGradients(sums, stride, kernels);
}

RCNN_AVX2 void InterleaveChannelsAvx2(const float* channels, int64_t channel_stride, int64_t count,
                                      float* pixels, int64_t pixel_stride) {
  __m256 r[avx2::kLanes];
  for (int64_t p = 0; p < count; p += avx2::kLanes) {
    for (int64_t c = 0; c < avx2::kLanes; ++c) {
      r[c] = _mm256_loadu_ps(channels + c * channel_stride + p);
    }
    Transpose8(r);
    const int64_t some = std::min(avx2::kLanes, count - p);
    for (int64_t i = 0; i < some; ++i) _mm256_storeu_ps(pixels + (p + i) * pixel_stride, r[i]);
  }
}

// Vectors kVector to 15, of which the first `count` are stored. Templates as in panel_kernels.cc.
template <int kVector = 0>
RCNN_AVX512 RCNN_UNROLLED void LoadVectors(const float* from, int64_t stride, __m512* r) {
  if constexpr (kVector < avx512::kLanes) {
    r[kVector] = _mm512_loadu_ps(from + kVector * stride);
    LoadVectors<kVector + 1>(from, stride, r);
  }
}

template <int kVector = 0>
RCNN_AVX512 RCNN_UNROLLED void StoreVectors(const __m512* r, int64_t count, float* to,
                                            int64_t stride) {
  if constexpr (kVector < avx512::kLanes) {
    if (kVector < count) _mm512_storeu_ps(to + kVector * stride, r[kVector]);
    StoreVectors<kVector + 1>(r, count, to, stride);
  }
}

RCNN_AVX512 void InterleaveChannelsAvx512(const float* channels, int64_t channel_stride,
                                          int64_t count, float* pixels, int64_t pixel_stride) {
  for (int64_t p = 0; p < count; p += avx512::kLanes) {
    __m512 r[avx512::kLanes];
    LoadVectors(channels + p, channel_stride, r);
    Transpose16(r);
    StoreVectors(r, count - p, pixels + p * pixel_stride, pixel_stride);
  }
}

constexpr WinogradGradientKernels kAvx2Gradients = {
    InstructionLevel::kAvx2, avx2::kLanes, TransformOutputGradientAvx2,
    TransformKernelGradientsAvx2, InterleaveChannelsAvx2};
constexpr WinogradGradientKernels kAvx512Gradients = {
    InstructionLevel::kAvx512, avx512::kLanes, TransformOutputGradientAvx512,
    TransformKernelGradientsAvx512, InterleaveChannelsAvx512};

constexpr WinogradKernels kAvx2Kernels = {InstructionLevel::kAvx2, TransformInputAvx2, nullptr,
                                          TransformOutputAvx2};
constexpr WinogradKernels kAvx512Kernels = {InstructionLevel::kAvx512, TransformInputAvx512,
                                            TransformPixelsAvx512, TransformOutputAvx512};

}  // namespace

const WinogradKernels* GetWinogradKernels(InstructionLevel level) {
  if (level >= InstructionLevel::kAvx512) return &kAvx512Kernels;
  return level >= InstructionLevel::kAvx2 ? &kAvx2Kernels : nullptr;
}

const WinogradGradientKernels* GetWinogradGradientKernels(InstructionLevel level) {
  if (level >= InstructionLevel::kAvx512) return &kAvx512Gradients;
  return level >= InstructionLevel::kAvx2 ? &kAvx2Gradients : nullptr;
}

#else

void CutIntoTiles(const float*, int64_t, float*, int64_t) { std::abort(); }
const WinogradKernels* GetWinogradKernels(InstructionLevel) { return nullptr; }
const WinogradGradientKernels* GetWinogradGradientKernels(InstructionLevel) { return nullptr; }

#endif

}  // namespace rcnn::detection

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

#include "rcnn/base/target_clones.h"
#include "rcnn/detection/convolution/interleave_kernels.h"
#include "rcnn/detection/convolution/target_instructions.h"

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
RCNN_TARGET_CLONES void TransformTriples(const Lanes& g0, const Lanes& g1, const Lanes& g2,
                                         Lanes* __restrict v) {
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

}  // namespace

void TransformKernels(const float* kernels, int64_t count, float* transformed, int64_t stride) {
  Lanes elements[9] = {}, rows[3][kTileIn], points[kTileIn];
  for (int64_t begin = 0; begin < count; begin += kKernels) {
    const int64_t some = std::min(kKernels, count - begin);
    for (int64_t k = 0; k < some; ++k) {
      for (int64_t e = 0; e < 9; ++e) elements[e][k] = kernels[9 * (begin + k) + e];
    }
    for (int64_t r = 0; r < 3; ++r) {
      TransformTriples(elements[3 * r], elements[3 * r + 1], elements[3 * r + 2], rows[r]);
    }
    for (int64_t j = 0; j < kTileIn; ++j) {
      TransformTriples(rows[0][j], rows[1][j], rows[2][j], points);
      for (int64_t i = 0; i < kTileIn; ++i) {
        float* out = transformed + (kTileIn * i + j) * stride + begin;
        for (int64_t k = 0; k < some; ++k) out[k] = static_cast<float>(points[i][k]);
      }
    }
  }
}

#if defined(__x86_64__)

namespace {

RCNN_AVX2 inline __m256 Constant(double value) { return _mm256_set1_ps(static_cast<float>(value)); }

// Eight rows of eight become columns.
RCNN_AVX2 inline void Transpose8(__m256 r[8]) {
  Transpose4(r[0], r[1], r[2], r[3]);
  Transpose4(r[4], r[5], r[6], r[7]);
  for (int i = 0; i < 4; ++i) {
    const __m256 a = r[i], b = r[i + 4];
    r[i] = _mm256_permute2f128_ps(a, b, 0x20);
    r[i + 4] = _mm256_permute2f128_ps(a, b, 0x31);
  }
}

// Six inputs at the six points; `step` vectors apart.
template <int kStep>
RCNN_AVX2 inline void InputAtPoints(const __m256* d, __m256* v) {
  const __m256 d1 = d[kStep], d2 = d[2 * kStep], d3 = d[3 * kStep], d4 = d[4 * kStep];
  const __m256 sum = Constant(kSum), a2 = Constant(kA2), b2 = Constant(kB2);
  const __m256 even_a = _mm256_fnmadd_ps(b2, d2, d4), even_b = _mm256_fnmadd_ps(a2, d2, d4);
  const __m256 odd_a = _mm256_mul_ps(Constant(kA), _mm256_fnmadd_ps(b2, d1, d3));
  const __m256 odd_b = _mm256_mul_ps(Constant(kB), _mm256_fnmadd_ps(a2, d1, d3));
  v[0] = _mm256_add_ps(_mm256_fnmadd_ps(sum, d2, d[0]), d4);
  v[kStep] = _mm256_add_ps(even_a, odd_a);
  v[2 * kStep] = _mm256_sub_ps(even_a, odd_a);
  v[3 * kStep] = _mm256_add_ps(even_b, odd_b);
  v[4 * kStep] = _mm256_sub_ps(even_b, odd_b);
  v[5 * kStep] = _mm256_add_ps(_mm256_fnmadd_ps(sum, d3, d1), d[5 * kStep]);
}

// Six sums to four outputs.
template <int kFrom, int kTo>
RCNN_AVX2 inline void OutputOfPoints(const __m256* m, __m256* y) {
  const __m256 even_a = _mm256_add_ps(m[kFrom], m[2 * kFrom]);
  const __m256 odd_a = _mm256_sub_ps(m[kFrom], m[2 * kFrom]);
  const __m256 even_b = _mm256_add_ps(m[3 * kFrom], m[4 * kFrom]);
  const __m256 odd_b = _mm256_sub_ps(m[3 * kFrom], m[4 * kFrom]);
  y[0] = _mm256_add_ps(_mm256_add_ps(m[0], even_a), even_b);
  y[kTo] = _mm256_fmadd_ps(Constant(kA), odd_a, _mm256_mul_ps(Constant(kB), odd_b));
  y[2 * kTo] = _mm256_fmadd_ps(Constant(kA2), even_a, _mm256_mul_ps(Constant(kB2), even_b));
  y[3 * kTo] = _mm256_fmadd_ps(Constant(kA * kA2), odd_a,
                               _mm256_fmadd_ps(Constant(kB * kB2), odd_b, m[5 * kFrom]));
}

// Four gradients of outputs at the six points: OutputOfPoints transposed.
template <int kStep>
RCNN_AVX2 inline void OutputGradientAtPoints(const __m256* y, __m256* m) {
  const __m256 y0 = y[0], y1 = y[kStep], y2 = y[2 * kStep], y3 = y[3 * kStep];
  const __m256 a2 = Constant(kA2), b2 = Constant(kB2);
  const __m256 even_a = _mm256_fmadd_ps(a2, y2, y0), even_b = _mm256_fmadd_ps(b2, y2, y0);
  const __m256 odd_a = _mm256_mul_ps(Constant(kA), _mm256_fmadd_ps(a2, y3, y1));
  const __m256 odd_b = _mm256_mul_ps(Constant(kB), _mm256_fmadd_ps(b2, y3, y1));
  m[0] = y0;
  m[kStep] = _mm256_add_ps(even_a, odd_a);
  m[2 * kStep] = _mm256_sub_ps(even_a, odd_a);
  m[3 * kStep] = _mm256_add_ps(even_b, odd_b);
  m[4 * kStep] = _mm256_sub_ps(even_b, odd_b);
  m[5 * kStep] = y3;
}

// Six sums to a row or column of a kernel's gradient: TransformTriples transposed.
template <int kFrom, int kTo>
RCNN_AVX2 inline void KernelGradientOfPoints(const __m256* m, __m256* g) {
  const __m256 at_a = Constant(kAtA), at_b = Constant(kAtB);
  const __m256 even_a = _mm256_mul_ps(at_a, _mm256_add_ps(m[kFrom], m[2 * kFrom]));
  const __m256 odd_a = _mm256_mul_ps(at_a, _mm256_sub_ps(m[kFrom], m[2 * kFrom]));
  const __m256 even_b = _mm256_mul_ps(at_b, _mm256_add_ps(m[3 * kFrom], m[4 * kFrom]));
  const __m256 odd_b = _mm256_mul_ps(at_b, _mm256_sub_ps(m[3 * kFrom], m[4 * kFrom]));
  g[0] = _mm256_add_ps(m[0], _mm256_add_ps(even_a, even_b));
  g[kTo] = _mm256_fmadd_ps(Constant(kA), odd_a, _mm256_mul_ps(Constant(kB), odd_b));
  g[2 * kTo] =
      _mm256_fmadd_ps(Constant(kA2), even_a, _mm256_fmadd_ps(Constant(kB2), even_b, m[5 * kFrom]));
}

}  // namespace

RCNN_AVX2 void CutIntoTiles(const float* row, int64_t count, float* columns, int64_t stride) {
  __m256 phase[4], next[4];
  for (int64_t p = 0; p < count; p += kTileLanes) {
    Deinterleave(row + kTileOut * p, phase);
    Deinterleave(row + kTileOut * (p + 1), next);
    for (int q = 0; q < 4; ++q) _mm256_storeu_ps(columns + q * stride + p, phase[q]);
    _mm256_storeu_ps(columns + 4 * stride + p, next[0]);
    _mm256_storeu_ps(columns + 5 * stride + p, next[1]);
  }
}

RCNN_AVX2 void TransformInputTiles(const float* tiles, int64_t stride, float* transformed,
                                   int64_t transformed_stride) {
  __m256 d[kTileIn], rows[kTilePoints], v[kTilePoints];
  for (int64_t i = 0; i < kTileIn; ++i) {
    for (int64_t q = 0; q < kTileIn; ++q) {
      d[q] = _mm256_loadu_ps(tiles + (kTileIn * i + q) * stride);
    }
    InputAtPoints<1>(d, rows + kTileIn * i);
  }
  for (int64_t j = 0; j < kTileIn; ++j) InputAtPoints<kTileIn>(rows + j, v + j);
  for (int64_t t = 0; t < kTilePoints; ++t) {
    _mm256_storeu_ps(transformed + t * transformed_stride, v[t]);
  }
}

RCNN_AVX2 void TransformOutputTiles(const float* sums, int64_t stride, float bias, bool relu,
                                    float* rows, int64_t row_stride) {
  __m256 m[kTileIn], columns[kTileOut * kTileIn], y[kTileOut];
  for (int64_t j = 0; j < kTileIn; ++j) {
    for (int64_t i = 0; i < kTileIn; ++i) {
      m[i] = _mm256_loadu_ps(sums + (kTileIn * i + j) * stride);
    }
    OutputOfPoints<1, kTileIn>(m, columns + j);
  }
  const __m256 b = _mm256_set1_ps(bias), zero = _mm256_setzero_ps();
  for (int64_t i = 0; i < kTileOut; ++i) {
    OutputOfPoints<1, 1>(columns + kTileIn * i, y);
    for (__m256& value : y) {
      value = _mm256_add_ps(value, b);
      // A NaN passes: maxps returns its second operand then.
      if (relu) value = _mm256_max_ps(zero, value);
    }
    Interleave(y, rows + i * row_stride);
  }
}

RCNN_AVX2 void TransformOutputGradientTiles(const float* tiles, int64_t stride, float* transformed,
                                            int64_t transformed_stride) {
  __m256 y[kTileOut], rows[kTileOut * kTileIn], m[kTilePoints];
  for (int64_t i = 0; i < kTileOut; ++i) {
    for (int64_t q = 0; q < kTileOut; ++q) {
      y[q] = _mm256_loadu_ps(tiles + (kTileIn * i + q) * stride);
    }
    OutputGradientAtPoints<1>(y, rows + kTileIn * i);
  }
  for (int64_t j = 0; j < kTileIn; ++j) OutputGradientAtPoints<kTileIn>(rows + j, m + j);
  for (int64_t t = 0; t < kTilePoints; ++t) {
    _mm256_storeu_ps(transformed + t * transformed_stride, m[t]);
  }
}

RCNN_AVX2 void TransformKernelGradients(const float* sums, int64_t stride, float* kernels) {
  __m256 m[kTileIn], columns[3 * kTileIn], g[9];
  for (int64_t j = 0; j < kTileIn; ++j) {
    for (int64_t i = 0; i < kTileIn; ++i) {
      m[i] = _mm256_loadu_ps(sums + (kTileIn * i + j) * stride);
    }
    KernelGradientOfPoints<1, kTileIn>(m, columns + j);
  }
  for (int64_t r = 0; r < 3; ++r) {
    KernelGradientOfPoints<1, 1>(columns + kTileIn * r, g + 3 * r);
  }
  alignas(32) float elements[9][kTileLanes];
  for (int64_t e = 0; e < 9; ++e) _mm256_store_ps(elements[e], g[e]);
  for (int64_t k = 0; k < kTileLanes; ++k) {
    for (int64_t e = 0; e < 9; ++e) *kernels++ = elements[e][k];
  }
}

RCNN_AVX2 void InterleaveChannels(const float* channels, int64_t channel_stride, int64_t count,
                                  float* pixels, int64_t pixel_stride) {
  __m256 r[kTileLanes];
  for (int64_t p = 0; p < count; p += kTileLanes) {
    for (int64_t c = 0; c < kTileLanes; ++c) {
      r[c] = _mm256_loadu_ps(channels + c * channel_stride + p);
    }
    Transpose8(r);
    const int64_t some = std::min(kTileLanes, count - p);
    for (int64_t i = 0; i < some; ++i) _mm256_storeu_ps(pixels + (p + i) * pixel_stride, r[i]);
  }
}

#else

void InterleaveChannels(const float*, int64_t, int64_t, float*, int64_t) { std::abort(); }
void TransformOutputGradientTiles(const float*, int64_t, float*, int64_t) { std::abort(); }
void TransformKernelGradients(const float*, int64_t, float*) { std::abort(); }
void CutIntoTiles(const float*, int64_t, float*, int64_t) { std::abort(); }
void TransformInputTiles(const float*, int64_t, float*, int64_t) { std::abort(); }
void TransformOutputTiles(const float*, int64_t, float, bool, float*, int64_t) { std::abort(); }

#endif

}  // namespace rcnn::detection

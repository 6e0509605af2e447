// The points are 0, 1, -1 and infinity:
//
//        [ 1    0    0  ]        [ 1  0 -1  0 ]
//   G =  [ 1/2  1/2  1/2]   Bt = [ 0  1  1  0 ]   At = [ 1  1  1  0 ]
//        [ 1/2 -1/2  1/2]        [ 0 -1  1  0 ]        [ 0  1 -1 -1 ]
//        [ 0    0    1  ]        [ 0  1  0 -1 ]

#include "rcnn/detection/convolution/winograd_two_kernels.h"

#include <cstdlib>

#include "rcnn/base/target_instructions.h"
#include "rcnn/detection/convolution/interleave_kernels.h"
#include "rcnn/detection/convolution/winograd_kernels.h"

namespace rcnn::detection {
namespace {

void TransformTriple(double g0, double g1, double g2, double* v) {
  v[0] = g0;
  v[1] = (g0 + g1 + g2) / 2;
  v[2] = (g0 - g1 + g2) / 2;
  v[3] = g2;
}

}  // namespace

void TransformKernelsTwo(const float* kernels, int64_t count, float* transformed, int64_t stride) {
  double rows[3][4], points[4];
  for (int64_t k = 0; k < count; ++k, kernels += 9) {
    for (int64_t r = 0; r < 3; ++r) {
      TransformTriple(kernels[3 * r], kernels[3 * r + 1], kernels[3 * r + 2], rows[r]);
    }
    for (int64_t j = 0; j < 4; ++j) {
      TransformTriple(rows[0][j], rows[1][j], rows[2][j], points);
      for (int64_t i = 0; i < 4; ++i) {
        transformed[(4 * i + j) * stride + k] = static_cast<float>(points[i]);
      }
    }
  }
}

#if defined(__x86_64__)

namespace {

// Four inputs at the four points; `step` vectors apart.
template <int kStep>
RCNN_AVX2 inline void InputAtPoints(const __m256* d, __m256* v) {
  v[0] = _mm256_sub_ps(d[0], d[2 * kStep]);
  v[kStep] = _mm256_add_ps(d[kStep], d[2 * kStep]);
  v[2 * kStep] = _mm256_sub_ps(d[2 * kStep], d[kStep]);
  v[3 * kStep] = _mm256_sub_ps(d[kStep], d[3 * kStep]);
}

// Four sums to two outputs.
template <int kFrom, int kTo>
RCNN_AVX2 inline void OutputOfPoints(const __m256* m, __m256* y) {
  y[0] = _mm256_add_ps(_mm256_add_ps(m[0], m[kFrom]), m[2 * kFrom]);
  y[kTo] = _mm256_sub_ps(_mm256_sub_ps(m[kFrom], m[2 * kFrom]), m[3 * kFrom]);
}

RCNN_AVX2 inline void TransformInputTile(const float* tile, int64_t stride, float* transformed,
                                         int64_t transformed_stride) {
  __m256 d[4], rows[kTwoPoints], v[kTwoPoints];
  for (int64_t i = 0; i < 4; ++i) {
    for (int64_t q = 0; q < 4; ++q) d[q] = _mm256_loadu_ps(tile + (kTileIn * i + q) * stride);
    InputAtPoints<1>(d, rows + 4 * i);
  }
  for (int64_t j = 0; j < 4; ++j) InputAtPoints<4>(rows + j, v + j);
  for (int64_t t = 0; t < kTwoPoints; ++t) {
    _mm256_storeu_ps(transformed + t * transformed_stride, v[t]);
  }
}

// To y[4 i + q] for outputs i, q of the tile.
RCNN_AVX2 inline void TransformOutputTile(const float* sums, int64_t stride, __m256* y) {
  __m256 m[4], columns[2 * 4];
  for (int64_t j = 0; j < 4; ++j) {
    for (int64_t i = 0; i < 4; ++i) m[i] = _mm256_loadu_ps(sums + (4 * i + j) * stride);
    OutputOfPoints<1, 4>(m, columns + j);
  }
  for (int64_t i = 0; i < 2; ++i) OutputOfPoints<1, 1>(columns + 4 * i, y + 4 * i);
}

// Of eight blocks.
RCNN_AVX2 inline void TransformInput(const float* blocks, int64_t stride, float* transformed,
                                     int64_t transformed_stride) {
  for (int64_t s = 0; s < kTwoTiles; ++s) {
    TransformInputTile(blocks + (kTileIn * (s / 2) * 2 + s % 2 * 2) * stride, stride,
                       transformed + s * kTwoPoints * transformed_stride, transformed_stride);
  }
}

RCNN_AVX2 inline void TransformOutput(const float* sums, int64_t stride, float bias, bool relu,
                                      float* rows, int64_t row_stride) {
  __m256 y[kTileOut * kTileOut];
  for (int64_t s = 0; s < kTwoTiles; ++s) {
    TransformOutputTile(sums + s * kTwoPoints * stride, stride, y + 8 * (s / 2) + 2 * (s % 2));
  }
  const __m256 b = _mm256_set1_ps(bias), zero = _mm256_setzero_ps();
  for (int64_t i = 0; i < kTileOut; ++i) {
    for (int64_t q = 0; q < kTileOut; ++q) {
      __m256& value = y[kTileOut * i + q];
      value = _mm256_add_ps(value, b);
      // A NaN passes: maxps returns its second operand then.
      if (relu) value = _mm256_max_ps(zero, value);
    }
    Interleave(y + kTileOut * i, rows + i * row_stride);
  }
}

}  // namespace

RCNN_AVX2 void TransformInputBlocksTwo(const float* blocks, int64_t stride, float* transformed,
                                       int64_t transformed_stride) {
  for (int64_t p = 0; p < kTileGroup; p += kTileLanes) {
    TransformInput(blocks + p, stride, transformed + p, transformed_stride);
  }
}

RCNN_AVX2 void TransformOutputBlocksTwo(const float* sums, int64_t stride, float bias, bool relu,
                                        float* rows, int64_t row_stride) {
  for (int64_t p = 0; p < kTileGroup; p += kTileLanes) {
    TransformOutput(sums + p, stride, bias, relu, rows + kTileOut * p, row_stride);
  }
}

#else

void TransformInputBlocksTwo(const float*, int64_t, float*, int64_t) { std::abort(); }
void TransformOutputBlocksTwo(const float*, int64_t, float, bool, float*, int64_t) { std::abort(); }

#endif

}  // namespace rcnn::detection

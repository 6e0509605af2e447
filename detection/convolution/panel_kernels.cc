#include "rcnn/detection/convolution/panel_kernels.h"

#include <algorithm>

#include "rcnn/base/target_instructions.h"
#include "rcnn/detection/convolution/tile_kernels.h"
#include "rcnn/detection/convolution/transpose_kernels.h"

namespace rcnn::detection {

#if defined(__x86_64__)

namespace {

// AVX2: six rows of two registers each. 12 of the 16 registers hold sums, two hold the columns and
// one a factor.
constexpr int64_t kAvx2Rows = 6;

struct TileRow {
  __m256 left, right;
};

RCNN_AVX2 inline TileRow Zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }

RCNN_AVX2 inline void Accumulate(const float* factor, __m256 left, __m256 right, TileRow& sums) {
  const __m256 f = _mm256_broadcast_ss(factor);
  sums.left = _mm256_fmadd_ps(f, left, sums.left);
  sums.right = _mm256_fmadd_ps(f, right, sums.right);
}

RCNN_AVX2 inline void Store(TileRow sums, const TileOptions& options, int64_t row, float* out) {
  if (options.bias != nullptr) {
    const __m256 bias = _mm256_set1_ps(options.bias[row]);
    sums = {_mm256_add_ps(sums.left, bias), _mm256_add_ps(sums.right, bias)};
  }
  if (options.add != nullptr) {
    const float* add = options.add + row * options.add_stride;
    sums = {_mm256_add_ps(sums.left, _mm256_loadu_ps(add)),
            _mm256_add_ps(sums.right, _mm256_loadu_ps(add + 8))};
  }
  if (options.relu) {
    // A NaN passes: maxps returns its second operand then.
    const __m256 zero = _mm256_setzero_ps();
    sums = {_mm256_max_ps(zero, sums.left), _mm256_max_ps(zero, sums.right)};
  }
  if (options.mask != nullptr) {
    // A NaN passes, as in LibTorch.
    const float* mask = options.mask + row * options.mask_stride;
    const __m256 zero = _mm256_setzero_ps();
    const __m256 left = _mm256_cmp_ps(_mm256_loadu_ps(mask), zero, _CMP_NLE_UQ);
    const __m256 right = _mm256_cmp_ps(_mm256_loadu_ps(mask + 8), zero, _CMP_NLE_UQ);
    sums = {_mm256_and_ps(sums.left, left), _mm256_and_ps(sums.right, right)};
  }
  _mm256_storeu_ps(out, sums.left);
  _mm256_storeu_ps(out + 8, sums.right);
}

RCNN_AVX2 void MultiplyAvx2(const float* rows, const float* columns, int64_t depth,
                            const TileOptions& options, float* tile, int64_t stride) {
  // Six names rather than an array, which would not stay in registers.
  TileRow sum0 = Zero(), sum1 = Zero(), sum2 = Zero(), sum3 = Zero(), sum4 = Zero(), sum5 = Zero();
  for (int64_t d = 0; d < depth; ++d, rows += kAvx2Rows, columns += kPanelColumns) {
    const __m256 left = _mm256_load_ps(columns), right = _mm256_load_ps(columns + 8);
    Accumulate(rows, left, right, sum0);
    Accumulate(rows + 1, left, right, sum1);
    Accumulate(rows + 2, left, right, sum2);
    Accumulate(rows + 3, left, right, sum3);
    Accumulate(rows + 4, left, right, sum4);
    Accumulate(rows + 5, left, right, sum5);
  }
  Store(sum0, options, 0, tile);
  Store(sum1, options, 1, tile + stride);
  Store(sum2, options, 2, tile + 2 * stride);
  Store(sum3, options, 3, tile + 3 * stride);
  Store(sum4, options, 4, tile + 4 * stride);
  Store(sum5, options, 5, tile + 5 * stride);
}

// By how many rows pack_columns prefetches what it copies.
constexpr int64_t kPrefetchedRows = 2;

// The first `count` lanes of eight.
RCNN_AVX2 inline __m256i FirstLanes(int64_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int32_t>(count)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

RCNN_AVX2 void PackColumnsAvx2(const float* b, int64_t columns, int64_t depth, int64_t stride,
                               float* panels) {
  const int64_t whole = columns / kPanelColumns, rest = columns % kPanelColumns;
  const int64_t panel = depth * kPanelColumns;
  const __m256i left = FirstLanes(rest), right = FirstLanes(rest - 8);
  for (int64_t d = 0; d < depth; ++d, b += stride, panels += kPanelColumns) {
    float* to = panels;
    for (int64_t c = 0; c < whole * kPanelColumns; c += kPanelColumns, to += panel) {
      _mm_prefetch(b + kPrefetchedRows * stride + c, _MM_HINT_T1);
      _mm256_storeu_ps(to, _mm256_loadu_ps(b + c));
      _mm256_storeu_ps(to + 8, _mm256_loadu_ps(b + c + 8));
    }
    if (rest == 0) continue;
    const float* last = b + whole * kPanelColumns;
    _mm256_storeu_ps(to, _mm256_maskload_ps(last, left));
    _mm256_storeu_ps(to + 8, _mm256_maskload_ps(last + 8, right));
  }
}

// Eight rows, of which there are num_rows, to a panel [depth, kStride]: eight floats for each step
// of the depth, in order.
template <int64_t kStride>
RCNN_AVX2 inline void PackEightAvx2(const float* a, int64_t stride, int64_t num_rows, int64_t depth,
                                    float* panel) {
  for (int64_t d = 0; d < depth; d += 8) {
    const int64_t some = std::min<int64_t>(8, depth - d);
    const __m256i wanted = FirstLanes(some);
    __m256 r[8];
    for (int64_t i = 0; i < 8; ++i) {
      r[i] = i < num_rows ? _mm256_maskload_ps(a + i * stride + d, wanted) : _mm256_setzero_ps();
    }
    Transpose8(r);
    for (int64_t i = 0; i < some; ++i) _mm256_storeu_ps(panel + (d + i) * kStride, r[i]);
  }
}

RCNN_AVX2 void PackRowsAvx2(const float* a, int64_t stride, int64_t num_rows, int64_t depth,
                            float* panel) {
  static_assert(8 - kAvx2Rows <= kPanelSlack);
  PackEightAvx2<kAvx2Rows>(a, stride, num_rows, depth, panel);
}

RCNN_AVX2 void PackTransposedAvx2(const float* a, int64_t stride, int64_t num_rows, int64_t depth,
                                  float* panel) {
  PackEightAvx2<kPanelColumns>(a, stride, std::min<int64_t>(8, num_rows), depth, panel);
  PackEightAvx2<kPanelColumns>(a + 8 * stride, stride, num_rows - 8, depth, panel + 8);
}

// AVX-512: sixteen rows of one register each. A factor is broadcast by the multiply-add that uses
// it, so that a step over the depth is sixteen instructions and one load. Networks have multiples
// of sixteen channels, so no row is wasted.
constexpr int64_t kAvx512Rows = 16;

// Rows kRow to kAvx512Rows - 1 of a step. Templates, because GCC keeps the sums in registers only
// if every index is a constant.
template <int kRow = 0>
RCNN_AVX512 RCNN_UNROLLED void AccumulateRows(const float* factors, __m512 columns, __m512* sums) {
  if constexpr (kRow < kAvx512Rows) {
    sums[kRow] = _mm512_fmadd_ps(_mm512_set1_ps(factors[kRow]), columns, sums[kRow]);
    AccumulateRows<kRow + 1>(factors, columns, sums);
  }
}

RCNN_AVX512 void MultiplyAvx512(const float* rows, const float* columns, int64_t depth,
                                const TileOptions& options, float* tile, int64_t stride) {
  __m512 sums[kAvx512Rows];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  for (int64_t d = 0; d < depth; ++d, rows += kAvx512Rows, columns += kPanelColumns) {
    AccumulateRows(rows, _mm512_load_ps(columns), sums);
  }
  StoreTileRows(sums, options, tile, stride);
}

// Rows kRow to 15; missing ones are 0.
template <int kRow = 0>
RCNN_AVX512 RCNN_UNROLLED void LoadRows(const float* a, int64_t stride, int64_t num_rows,
                                        __mmask16 wanted, __m512* r) {
  if constexpr (kRow < kAvx512Rows) {
    const auto mask = static_cast<__mmask16>(kRow < num_rows ? wanted : 0);
    r[kRow] = _mm512_maskz_loadu_ps(mask, a + kRow * stride);
    LoadRows<kRow + 1>(a, stride, num_rows, wanted, r);
  }
}

template <int kRow = 0>
RCNN_AVX512 RCNN_UNROLLED void StoreRows(const __m512* r, int64_t count, float* panel) {
  if constexpr (kRow < kAvx512Rows) {
    if (kRow < count) _mm512_storeu_ps(panel + kRow * kAvx512Rows, r[kRow]);
    StoreRows<kRow + 1>(r, count, panel);
  }
}

RCNN_AVX512 void PackColumnsAvx512(const float* b, int64_t columns, int64_t depth, int64_t stride,
                                   float* panels) {
  const int64_t whole = columns / kPanelColumns, rest = columns % kPanelColumns;
  const int64_t panel = depth * kPanelColumns;
  const auto first = static_cast<__mmask16>((1 << rest) - 1);
  for (int64_t d = 0; d < depth; ++d, b += stride, panels += kPanelColumns) {
    float* to = panels;
    for (int64_t c = 0; c < whole * kPanelColumns; c += kPanelColumns, to += panel) {
      _mm_prefetch(b + kPrefetchedRows * stride + c, _MM_HINT_T1);
      _mm512_storeu_ps(to, _mm512_loadu_ps(b + c));
    }
    if (rest > 0) {
      _mm512_storeu_ps(to, _mm512_maskz_loadu_ps(first, b + whole * kPanelColumns));
    }
  }
}

// Row and column panels have the same width.
RCNN_AVX512 void PackRowsAvx512(const float* a, int64_t stride, int64_t num_rows, int64_t depth,
                                float* panel) {
  static_assert(kAvx512Rows == kPanelColumns);
  for (int64_t d = 0; d < depth; d += kPanelColumns) {
    const int64_t some = std::min(kPanelColumns, depth - d);
    __m512 r[kAvx512Rows];
    LoadRows(a + d, stride, num_rows, static_cast<__mmask16>((1 << some) - 1), r);
    Transpose16(r);
    StoreRows(r, some, panel + d * kPanelColumns);
  }
}

constexpr PanelKernel kAvx2 = {InstructionLevel::kAvx2, kAvx2Rows,    MultiplyAvx2,
                               PackColumnsAvx2,         PackRowsAvx2, PackTransposedAvx2};
constexpr PanelKernel kAvx512 = {InstructionLevel::kAvx512, kAvx512Rows,    MultiplyAvx512,
                                 PackColumnsAvx512,         PackRowsAvx512, PackRowsAvx512};

}  // namespace

const PanelKernel* GetPanelKernel(InstructionLevel level) {
  if (level >= InstructionLevel::kAvx512) return &kAvx512;
  return level >= InstructionLevel::kAvx2 ? &kAvx2 : nullptr;
}

#else

const PanelKernel* GetPanelKernel(InstructionLevel) { return nullptr; }

#endif

}  // namespace rcnn::detection

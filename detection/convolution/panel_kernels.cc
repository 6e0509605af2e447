#include "rcnn/detection/convolution/panel_kernels.h"

#include "rcnn/detection/convolution/target_instructions.h"
#include "rcnn/detection/convolution/tile_kernels.h"

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

// AVX-512: sixteen rows of one register each. A factor is broadcast by the multiply-add that uses
// it, so that a step over the depth is sixteen instructions and one load. Networks have multiples
// of sixteen channels, so no row is wasted.
constexpr int64_t kAvx512Rows = 16;

// Rows kRow to kAvx512Rows - 1 of a step. Templates, because GCC keeps the sums in registers only
// if every index is a constant.
template <int kRow = 0>
RCNN_AVX512 inline void AccumulateRows(const float* factors, __m512 columns, __m512* sums) {
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

constexpr PanelKernel kAvx2 = {InstructionLevel::kAvx2, kAvx2Rows, MultiplyAvx2};
constexpr PanelKernel kAvx512 = {InstructionLevel::kAvx512, kAvx512Rows, MultiplyAvx512};

}  // namespace

const PanelKernel* GetPanelKernel(InstructionLevel level) {
  if (level >= InstructionLevel::kAvx512) return &kAvx512;
  return level >= InstructionLevel::kAvx2 ? &kAvx2 : nullptr;
}

#else

const PanelKernel* GetPanelKernel(InstructionLevel) { return nullptr; }

#endif

}  // namespace rcnn::detection

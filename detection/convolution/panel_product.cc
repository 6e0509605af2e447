// tile [6, 16] = sum over the depth d of rows[d] [6] times columns[d] [16], an outer product each.
//
// Why it is fast: the 96 sums stay in 12 of AVX2's 16 registers. Each step of the depth loads 16
// columns into two registers and broadcasts six factors, for 12 fused multiply-adds: 96
// multiplications for 22 floats read, all from packed panels in order.
//
// Invariant: missing rows and columns are zero in the panels, so the inner loop has no edge cases;
// callers drop what lies outside their result.

#include "rcnn/detection/convolution/panel_product.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "rcnn/base/aligned_block.h"
#include "rcnn/detection/convolution/avx2.h"

namespace rcnn::detection {
namespace {

// Products are summed in chunks of this depth, and then the chunks are summed, because
// long sums cause most of the rounding error.
[[maybe_unused]] constexpr int64_t kChunk = 64;

}  // namespace

void FreeFloats::operator()(float* floats) const { FreeBlock(floats); }

AlignedFloats AllocateFloats(int64_t count) {
  const size_t bytes = static_cast<size_t>(std::max<int64_t>(count, 1)) * sizeof(float);
  void* block = AllocateBlock(bytes);
  if (block == nullptr) throw std::bad_alloc();
  return AlignedFloats(static_cast<float*>(block));
}

void PackRows(const float* a, int64_t rows, int64_t depth, int64_t stride, float* packed) {
  int64_t begin = 0;
  for (; begin + kPanelRows <= rows; begin += kPanelRows, a += kPanelRows * stride) {
    for (int64_t d = 0; d < depth; ++d) {
      for (int64_t r = 0; r < kPanelRows; ++r) *packed++ = a[r * stride + d];
    }
  }
  if (begin == rows) return;
  for (int64_t d = 0; d < depth; ++d) {
    for (int64_t r = 0; r < kPanelRows; ++r) *packed++ = begin + r < rows ? a[r * stride + d] : 0;
  }
}

void PackColumns(const float* b, int64_t columns, int64_t depth, int64_t stride, float* packed) {
  const size_t bytes = static_cast<size_t>(columns) * sizeof(float);
  for (int64_t d = 0; d < depth; ++d, b += stride, packed += kPanelColumns) {
    if (columns == kPanelColumns) {
      std::memcpy(packed, b, kPanelColumns * sizeof(float));
    } else {
      std::memcpy(packed, b, bytes);
      std::fill(packed + columns, packed + kPanelColumns, 0.0f);
    }
  }
}

#if defined(__x86_64__)

namespace {

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

RCNN_AVX2 void MultiplyChunk(const float* rows, const float* columns, int64_t depth,
                             const TileOptions& options, float* tile, int64_t stride) {
  // Six names rather than an array, which would not stay in registers.
  TileRow sum0 = Zero(), sum1 = Zero(), sum2 = Zero(), sum3 = Zero(), sum4 = Zero(), sum5 = Zero();
  for (int64_t d = 0; d < depth; ++d, rows += kPanelRows, columns += kPanelColumns) {
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

}  // namespace

bool PanelProductAvailable() {
  static const bool available = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return available;
}

void MultiplyPanels(const float* rows, const float* columns, int64_t depth,
                    const TileOptions& options, float* tile, int64_t stride) {
  TileOptions chunk = options;
  int64_t begin = 0;
  do {
    const int64_t end = std::min(begin + kChunk, depth);
    chunk.relu = options.relu && end == depth;
    MultiplyChunk(rows + begin * kPanelRows, columns + begin * kPanelColumns, end - begin, chunk,
                  tile, stride);
    chunk.bias = nullptr;
    chunk.add = tile;
    chunk.add_stride = stride;
    begin = end;
  } while (begin < depth);
}

#else

bool PanelProductAvailable() { return false; }

void MultiplyPanels(const float*, const float*, int64_t, const TileOptions&, float*, int64_t) {
  std::abort();
}

#endif

}  // namespace rcnn::detection

#include "rcnn/detection/convolution/bfloat16_kernels.h"

#include <algorithm>

#include "rcnn/base/target_instructions.h"
#include "rcnn/detection/convolution/tile_kernels.h"

namespace rcnn::detection {
namespace {

constexpr int64_t kLanes = kBfloat16Lanes;

void PackPlanesPortable(const PlaneLanes& lanes, Bfloat16* panel) {
  std::fill_n(panel, Bfloat16PanelSize(NumPairs(lanes.count)), Bfloat16{0});
  for (int64_t i = 0; i < lanes.count; ++i) {
    const float* plane = lanes.planes + i * lanes.plane_size;
    for (int64_t s = 0; s < lanes.num_segments; ++s) {
      const LaneSegment& segment = lanes.segments[s];
      for (int64_t l = 0; l < kLanes; ++l) {
        if ((segment.lanes >> l & 1) == 0) continue;
        panel[(i / 2 * kLanes + l) * 2 + i % 2] =
            RoundToBfloat16(plane[segment.offset + l * lanes.step]);
      }
    }
  }
}

void PackRowsPortable(const float* rows, int64_t stride, int64_t num_rows, int64_t depth,
                      Bfloat16* panel) {
  std::fill_n(panel, Bfloat16PanelSize(NumPairs(depth)), Bfloat16{0});
  for (int64_t r = 0; r < num_rows; ++r) {
    for (int64_t d = 0; d < depth; ++d) {
      panel[(d / 2 * kLanes + r) * 2 + d % 2] = RoundToBfloat16(rows[r * stride + d]);
    }
  }
}

void PackPairsPortable(const float* even, const float* odd, int64_t count, Bfloat16* pairs,
                       int64_t stride) {
  for (int64_t i = 0; i < count; ++i, pairs += stride) {
    for (int64_t l = 0; l < kLanes; ++l) {
      pairs[2 * l] = RoundToBfloat16(even[i * kLanes + l]);
      pairs[2 * l + 1] = RoundToBfloat16(odd[i * kLanes + l]);
    }
  }
}

void PackHalvesPortable(const float* floats, const float* scales, int64_t count, Half* halves) {
  for (int64_t i = 0; i < count * kLanes; ++i) {
    halves[i] = RoundToHalf(floats[i] * scales[i % kLanes]);
  }
}

void UnpackHalvesPortable(const Half* halves, const float* scales, int64_t count, float* floats) {
  for (int64_t i = 0; i < count * kLanes; ++i) {
    floats[i] = HalfToFloat(halves[i]) * scales[i % kLanes];
  }
}

// Products of two bfloat16 numbers are exact in float32, so that each step is a fused
// multiply-add. The second number of a pair is added first.
float Dot(const Bfloat16* a, const Bfloat16* b, int64_t pairs) {
  float sum = 0;
  for (int64_t p = 0; p < pairs; ++p) {
    for (int64_t i = 2 * kLanes * p + 1; i >= 2 * kLanes * p; --i)
      sum += ToFloat(a[i]) * ToFloat(b[i]);
  }
  return sum;
}

void MultiplyPortable(const Bfloat16* row_panel, const Bfloat16* column_panel, int64_t pairs,
                      const TileOptions& options, float* tile, int64_t stride) {
  for (int64_t r = 0; r < kLanes; ++r) {
    for (int64_t c = 0; c < kLanes; ++c) {
      float sum = Dot(row_panel + 2 * r, column_panel + 2 * c, pairs);
      if (options.bias != nullptr) sum += options.bias[r];
      if (options.add != nullptr) sum += options.add[r * options.add_stride + c];
      tile[r * stride + c] = options.relu && sum < 0 ? 0 : sum;
    }
  }
}

constexpr Bfloat16Kernels kPortable = {
    InstructionLevel::kPortable, PackPlanesPortable,   PackRowsPortable, PackPairsPortable,
    PackHalvesPortable,          UnpackHalvesPortable, MultiplyPortable};

#if defined(__x86_64__)

// 16 numbers of each become pairs.
RCNN_AVX512_BF16 inline __m512i Pairs(__m512 even, __m512 odd) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24,
                                         8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(odd, even));
}

// The lanes of a plane, one float apart.
RCNN_AVX512_BF16 inline __m512 LoadLanes(const float* plane, const LaneSegment* segment,
                                         const LaneSegment* end) {
  __m512 lanes = _mm512_setzero_ps();
  for (; segment != end; ++segment) {
    lanes = _mm512_mask_loadu_ps(lanes, static_cast<__mmask16>(segment->lanes),
                                 plane + segment->offset);
  }
  return lanes;
}

// Two floats apart: every other of 32.
RCNN_AVX512_BF16 inline __m512 LoadEvenLanes(const float* plane, const LaneSegment* segment,
                                             const LaneSegment* end) {
  const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
  __m512 lanes = _mm512_setzero_ps();
  for (; segment != end; ++segment) {
    // Masked, because the plane may end at the last lane.
    const uint32_t wanted = _pdep_u32(segment->lanes, 0x55555555);
    const float* x = plane + segment->offset;
    const __m512 low = _mm512_maskz_loadu_ps(static_cast<__mmask16>(wanted), x);
    const __m512 high = _mm512_maskz_loadu_ps(static_cast<__mmask16>(wanted >> 16), x + kLanes);
    lanes = _mm512_or_ps(lanes, _mm512_permutex2var_ps(low, even, high));
  }
  return lanes;
}

template <__m512 (*kLoad)(const float*, const LaneSegment*, const LaneSegment*)>
RCNN_AVX512_BF16 void PackPlanes(const PlaneLanes& lanes, Bfloat16* panel) {
  const LaneSegment *begin = lanes.segments, *end = begin + lanes.num_segments;
  const float* plane = lanes.planes;
  for (int64_t i = 0; i < lanes.count; i += 2, plane += 2 * lanes.plane_size, panel += 2 * kLanes) {
    const __m512 even = kLoad(plane, begin, end);
    const __m512 odd =
        i + 1 < lanes.count ? kLoad(plane + lanes.plane_size, begin, end) : _mm512_setzero_ps();
    _mm512_storeu_si512(panel, Pairs(even, odd));
  }
}

void PackPlanesBf16(const PlaneLanes& lanes, Bfloat16* panel) {
  if (lanes.step == 1) {
    PackPlanes<LoadLanes>(lanes, panel);
  } else if (lanes.step == 2) {
    PackPlanes<LoadEvenLanes>(lanes, panel);
  } else {
    PackPlanesPortable(lanes, panel);
  }
}

// Sixteen rows of sixteen become columns. Intrinsics with a mask, because GCC 12 takes those
// without one for uses of an uninitialised value.
template <int kControl>
RCNN_AVX512_BF16 RCNN_UNROLLED __m512i Shuffle128(__m512i a, __m512i b) {
  return _mm512_maskz_shuffle_i32x4(0xffff, a, b, kControl);
}

RCNN_AVX512_BF16 inline void Transpose16(__m512i r[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 4) {
    const __m512i a = _mm512_maskz_unpacklo_epi32(0xffff, r[i], r[i + 1]);
    const __m512i b = _mm512_maskz_unpackhi_epi32(0xffff, r[i], r[i + 1]);
    const __m512i c = _mm512_maskz_unpacklo_epi32(0xffff, r[i + 2], r[i + 3]);
    const __m512i d = _mm512_maskz_unpackhi_epi32(0xffff, r[i + 2], r[i + 3]);
    t[i] = _mm512_maskz_unpacklo_epi64(0xff, a, c);
    t[i + 1] = _mm512_maskz_unpackhi_epi64(0xff, a, c);
    t[i + 2] = _mm512_maskz_unpacklo_epi64(0xff, b, d);
    t[i + 3] = _mm512_maskz_unpackhi_epi64(0xff, b, d);
  }
  // t[4 k + j] has, in its 128 bits i, the elements 4 i + j of the rows 4 k to 4 k + 3.
  for (int j = 0; j < 4; ++j) {
    const __m512i a = Shuffle128<0x88>(t[j], t[4 + j]), b = Shuffle128<0xdd>(t[j], t[4 + j]);
    const __m512i c = Shuffle128<0x88>(t[8 + j], t[12 + j]);
    const __m512i d = Shuffle128<0xdd>(t[8 + j], t[12 + j]);
    r[j] = Shuffle128<0x88>(a, c);
    r[8 + j] = Shuffle128<0xdd>(a, c);
    r[4 + j] = Shuffle128<0x88>(b, d);
    r[12 + j] = Shuffle128<0xdd>(b, d);
  }
}

RCNN_AVX512_BF16 void PackRowsBf16(const float* rows, int64_t stride, int64_t num_rows,
                                   int64_t depth, Bfloat16* panel) {
  for (int64_t d = 0; d < depth; d += 2 * kLanes) {
    const uint32_t valid = depth - d >= 2 * kLanes ? 0xffffffff : (uint32_t{1} << (depth - d)) - 1;
    __m512i r[kLanes];
    for (int64_t i = 0; i < kLanes; ++i) {
      r[i] = _mm512_setzero_si512();
      if (i >= num_rows) continue;
      const float* row = rows + i * stride + d;
      r[i] = (__m512i)_mm512_cvtne2ps_pbh(
          _mm512_maskz_loadu_ps(static_cast<__mmask16>(valid >> 16), row + kLanes),
          _mm512_maskz_loadu_ps(static_cast<__mmask16>(valid), row));
    }
    Transpose16(r);
    const int64_t pairs = std::min(kLanes, NumPairs(depth - d));
    for (int64_t i = 0; i < pairs; ++i, panel += 2 * kLanes) _mm512_storeu_si512(panel, r[i]);
  }
}

RCNN_AVX512_BF16 void PackPairsBf16(const float* even, const float* odd, int64_t count,
                                    Bfloat16* pairs, int64_t stride) {
  for (int64_t i = 0; i < count; ++i, even += kLanes, odd += kLanes, pairs += stride) {
    _mm512_storeu_si512(pairs, Pairs(_mm512_loadu_ps(even), _mm512_loadu_ps(odd)));
  }
}

// Conversions with a mask, because GCC 12 takes those without one for uses of an uninitialised
// value.
RCNN_AVX512_BF16 void PackHalvesBf16(const float* floats, const float* scales, int64_t count,
                                     Half* halves) {
  const __m512 scale = _mm512_loadu_ps(scales);
  for (int64_t i = 0; i < count; ++i, floats += kLanes, halves += kLanes) {
    const __m512 scaled = _mm512_mul_ps(_mm512_loadu_ps(floats), scale);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(halves),
                        _mm512_maskz_cvtps_ph(0xffff, scaled, _MM_FROUND_TO_NEAREST_INT));
  }
}

RCNN_AVX512_BF16 void UnpackHalvesBf16(const Half* halves, const float* scales, int64_t count,
                                       float* floats) {
  const __m512 scale = _mm512_loadu_ps(scales);
  for (int64_t i = 0; i < count; ++i, halves += kLanes, floats += kLanes) {
    const __m256i some = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(halves));
    _mm512_storeu_ps(floats, _mm512_mul_ps(_mm512_maskz_cvtph_ps(0xffff, some), scale));
  }
}

// Rows kRow to 15 of a pair: a row's two factors are broadcast and multiplied with sixteen pairs of
// columns. Templates as in panel_kernels.cc.
template <int kRow = 0>
RCNN_AVX512_BF16 RCNN_UNROLLED void AccumulateRows(const Bfloat16* factors, __m512i columns,
                                                   __m512* sums) {
  if constexpr (kRow < kLanes) {
    int32_t pair;
    std::memcpy(&pair, factors + 2 * kRow, sizeof(pair));
    sums[kRow] = _mm512_dpbf16_ps(sums[kRow], (__m512bh)columns, (__m512bh)_mm512_set1_epi32(pair));
    AccumulateRows<kRow + 1>(factors, columns, sums);
  }
}

RCNN_AVX512_BF16 void MultiplyBf16(const Bfloat16* row_panel, const Bfloat16* column_panel,
                                   int64_t pairs, const TileOptions& options, float* tile,
                                   int64_t stride) {
  __m512 sums[kLanes];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  for (int64_t p = 0; p < pairs; ++p, row_panel += 2 * kLanes, column_panel += 2 * kLanes) {
    AccumulateRows(row_panel, _mm512_load_si512(column_panel), sums);
  }
  StoreTileRows(sums, options, tile, stride);
}

constexpr Bfloat16Kernels kBf16 = {InstructionLevel::kAvx512Bf16,
                                   PackPlanesBf16,
                                   PackRowsBf16,
                                   PackPairsBf16,
                                   PackHalvesBf16,
                                   UnpackHalvesBf16,
                                   MultiplyBf16};

#endif

}  // namespace

const Bfloat16Kernels& GetBfloat16Kernels([[maybe_unused]] InstructionLevel level) {
#if defined(__x86_64__)
  if (HasBfloat16Products(level)) return kBf16;
#endif
  return kPortable;
}

}  // namespace rcnn::detection

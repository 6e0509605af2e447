// A segment is read with the lanes of all others masked, so the vectors of a row's segments are
// joined by or. With a step of two a vector is every other one of twice as many floats.

#include "rcnn/detection/convolution/plane_kernels.h"

#include <algorithm>

#include "rcnn/base/target_instructions.h"

namespace rcnn::detection {
namespace {

void PackPortable(const PlaneRows& rows, float* panel) {
  for (int64_t d = 0; d < rows.count; ++d, panel += kPlaneLanes) {
    const float* row = rows.floats + rows.offsets[d];
    std::fill_n(panel, kPlaneLanes, 0.0f);
    for (int64_t s = 0; s < rows.num_segments; ++s) {
      const LaneSegment& segment = rows.segments[s];
      for (int64_t l = 0; l < kPlaneLanes; ++l) {
        if ((segment.lanes >> l & 1) != 0) panel[l] = row[segment.offset + l * rows.step];
      }
    }
  }
}

constexpr PlaneKernel kPortable = {InstructionLevel::kPortable, PackPortable};

#if defined(__x86_64__)

// Which of the floats from a segment's offset on are lanes: bit l of 16 becomes bit l * step.
template <int kStep>
uint32_t WantedFloats(uint32_t lanes) {
  static_assert(kStep == 1 || kStep == 2);
  if constexpr (kStep == 1) return lanes;
  lanes = (lanes | lanes << 8) & 0x00ff00ff;
  lanes = (lanes | lanes << 4) & 0x0f0f0f0f;
  lanes = (lanes | lanes << 2) & 0x33333333;
  return (lanes | lanes << 1) & 0x55555555;
}

namespace avx2 {

struct Segment {
  int64_t offset;
  __m256i wanted[4];
};

// Sets the lanes whose bits are set, of eight.
RCNN_AVX2 inline __m256i Mask(uint32_t bits) {
  const __m256i places = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(static_cast<int32_t>(bits)), places),
                            places);
}

struct Row {
  __m256 left, right;
};

// The even ones of sixteen floats.
RCNN_AVX2 inline __m256 Even(__m256 a, __m256 b) {
  const __m256d halves = _mm256_castps_pd(_mm256_shuffle_ps(a, b, 0x88));
  return _mm256_castpd_ps(_mm256_permute4x64_pd(halves, 0xd8));
}

template <int kStep>
RCNN_AVX2 inline Row Load(const float* x, const Segment& segment) {
  const __m256 a = _mm256_maskload_ps(x, segment.wanted[0]);
  const __m256 b = _mm256_maskload_ps(x + 8, segment.wanted[1]);
  if constexpr (kStep == 1) {
    return {a, b};
  } else {
    const __m256 c = _mm256_maskload_ps(x + 16, segment.wanted[2]);
    const __m256 d = _mm256_maskload_ps(x + 24, segment.wanted[3]);
    return {Even(a, b), Even(c, d)};
  }
}

template <int kStep>
RCNN_AVX2 void PackStep(const PlaneRows& rows, float* panel) {
  Segment segments[kPlaneLanes];
  for (int64_t s = 0; s < rows.num_segments; ++s) {
    const uint32_t wanted = WantedFloats<kStep>(rows.segments[s].lanes);
    segments[s].offset = rows.segments[s].offset;
    for (int v = 0; v < 4; ++v) segments[s].wanted[v] = Mask(wanted >> (8 * v) & 0xff);
  }
  for (int64_t d = 0; d < rows.count; ++d, panel += kPlaneLanes) {
    const float* x = rows.floats + rows.offsets[d];
    Row row = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    for (int64_t s = 0; s < rows.num_segments; ++s) {
      const Row part = Load<kStep>(x + segments[s].offset, segments[s]);
      row = {_mm256_or_ps(row.left, part.left), _mm256_or_ps(row.right, part.right)};
    }
    _mm256_storeu_ps(panel, row.left);
    _mm256_storeu_ps(panel + 8, row.right);
  }
}

void Pack(const PlaneRows& rows, float* panel) {
  if (rows.step == 1) return PackStep<1>(rows, panel);
  if (rows.step == 2) return PackStep<2>(rows, panel);
  PackPortable(rows, panel);
}

}  // namespace avx2

namespace avx512 {

struct Segment {
  int64_t offset;
  __mmask16 low, high;
};

template <int kStep>
RCNN_AVX512 inline __m512 Load(const float* x, const Segment& segment) {
  const __m512 low = _mm512_maskz_loadu_ps(segment.low, x);
  if constexpr (kStep == 1) {
    return low;
  } else {
    const __m512i even =
        _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    return _mm512_permutex2var_ps(low, even, _mm512_maskz_loadu_ps(segment.high, x + 16));
  }
}

template <int kStep>
RCNN_AVX512 void PackStep(const PlaneRows& rows, float* panel) {
  Segment segments[kPlaneLanes];
  for (int64_t s = 0; s < rows.num_segments; ++s) {
    const uint32_t wanted = WantedFloats<kStep>(rows.segments[s].lanes);
    segments[s] = {rows.segments[s].offset, static_cast<__mmask16>(wanted),
                   static_cast<__mmask16>(wanted >> 16)};
  }
  for (int64_t d = 0; d < rows.count; ++d, panel += kPlaneLanes) {
    const float* x = rows.floats + rows.offsets[d];
    __m512 row = _mm512_setzero_ps();
    for (int64_t s = 0; s < rows.num_segments; ++s) {
      row = _mm512_or_ps(row, Load<kStep>(x + segments[s].offset, segments[s]));
    }
    _mm512_storeu_ps(panel, row);
  }
}

void Pack(const PlaneRows& rows, float* panel) {
  if (rows.step == 1) return PackStep<1>(rows, panel);
  if (rows.step == 2) return PackStep<2>(rows, panel);
  PackPortable(rows, panel);
}

}  // namespace avx512

constexpr PlaneKernel kAvx2 = {InstructionLevel::kAvx2, avx2::Pack};
constexpr PlaneKernel kAvx512 = {InstructionLevel::kAvx512, avx512::Pack};

#endif

}  // namespace

const PlaneKernel& GetPlaneKernel([[maybe_unused]] InstructionLevel level) {
#if defined(__x86_64__)
  if (level >= InstructionLevel::kAvx512) return kAvx512;
  if (level >= InstructionLevel::kAvx2) return kAvx2;
#endif
  return kPortable;
}

}  // namespace rcnn::detection

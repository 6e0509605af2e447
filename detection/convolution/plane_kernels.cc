// A segment is read with the lanes of all others masked, so the vectors of a row's segments are
// joined by or. With a step of two a vector is every other one of twice as many floats.

#include "rcnn/detection/convolution/plane_kernels.h"

#include <algorithm>

#include "rcnn/base/target_instructions.h"

namespace rcnn::detection {
namespace {

void PackPanelPortable(const PlaneRows& rows, const PlanePanel& panel) {
  float* to = panel.panel;
  for (int64_t d = 0; d < rows.count; ++d, to += rows.row_stride) {
    const float* row = rows.floats + rows.offsets[d];
    std::fill_n(to, kPlaneLanes, 0.0f);
    for (int64_t s = 0; s < panel.num_segments; ++s) {
      const LaneSegment& segment = panel.segments[s];
      for (int64_t l = 0; l < kPlaneLanes; ++l) {
        if ((segment.lanes >> l & 1) != 0) to[l] = row[segment.offset + l * rows.step];
      }
    }
  }
}

void PackPortable(const PlaneRows& rows, const PlanePanel* panels, int64_t num_panels) {
  for (int64_t p = 0; p < num_panels; ++p) PackPanelPortable(rows, panels[p]);
}

constexpr PlaneKernel kPortable = {InstructionLevel::kPortable, PackPortable};

#if defined(__x86_64__)

// Panels that are filled together.
constexpr int64_t kGroup = 8;

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

// Asks for the pixels of a segment; those of a step of two lie in two or three cache lines.
template <int kStep>
inline __attribute__((always_inline)) void PrefetchLanes(const float* x) {
  for (int v = 0; v < kStep; ++v) __builtin_prefetch(x + kPlaneLanes * v, /*rw=*/0, /*locality=*/2);
}

// The segments of up to kGroup panels, in a form that Segment defines: those of panel p are from
// first[p] to first[p + 1] - 1.
template <typename Segment>
struct Group {
  Segment segments[kGroup * kPlaneLanes];
  int64_t first[kGroup + 1];
};

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

RCNN_AVX2 inline void Set(int64_t offset, uint32_t wanted, Segment& segment) {
  segment.offset = offset;
  for (int v = 0; v < 4; ++v) segment.wanted[v] = Mask(wanted >> (8 * v) & 0xff);
}

struct Row {
  __m256 left, right;
};

RCNN_AVX2 inline Row Join(const Row& a, const Row& b) {
  return {_mm256_or_ps(a.left, b.left), _mm256_or_ps(a.right, b.right)};
}

RCNN_AVX2 inline Row Zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }

RCNN_AVX2 inline void Store(float* to, const Row& row) {
  _mm256_storeu_ps(to, row.left);
  _mm256_storeu_ps(to + 8, row.right);
}

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

#define RCNN_LANES_TARGET RCNN_AVX2
#include "rcnn/detection/convolution/plane_lanes_kernels.inc"
#undef RCNN_LANES_TARGET

}  // namespace avx2

namespace avx512 {

struct Segment {
  int64_t offset;
  __mmask16 low, high;
};

RCNN_AVX512 inline void Set(int64_t offset, uint32_t wanted, Segment& segment) {
  segment = {offset, static_cast<__mmask16>(wanted), static_cast<__mmask16>(wanted >> 16)};
}

using Row = __m512;

RCNN_AVX512 inline Row Join(Row a, Row b) { return _mm512_or_ps(a, b); }
RCNN_AVX512 inline Row Zero() { return _mm512_setzero_ps(); }
RCNN_AVX512 inline void Store(float* to, Row row) { _mm512_storeu_ps(to, row); }

template <int kStep>
RCNN_AVX512 inline Row Load(const float* x, const Segment& segment) {
  const __m512 low = _mm512_maskz_loadu_ps(segment.low, x);
  if constexpr (kStep == 1) {
    return low;
  } else {
    const __m512i even =
        _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    return _mm512_permutex2var_ps(low, even, _mm512_maskz_loadu_ps(segment.high, x + 16));
  }
}

#define RCNN_LANES_TARGET RCNN_AVX512
#include "rcnn/detection/convolution/plane_lanes_kernels.inc"
#undef RCNN_LANES_TARGET

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

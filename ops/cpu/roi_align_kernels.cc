#include "rcnn/ops/cpu/roi_align_kernels.h"

#include <algorithm>

#include "rcnn/base/float_lanes_kernels.h"
#include "rcnn/base/instruction_set.h"
#include "rcnn/base/target_clones.h"
#include "rcnn/base/target_instructions.h"
#include "rcnn/ops/cpu/channel_blocks.h"

// The loops below have clones for each instruction set, for float64. float32 has kernels with
// explicit vectors, and these loops for processors without AVX2.

namespace rcnn::ops {
namespace {

constexpr int64_t kVectorBytes = 32;
constexpr int64_t kVectors = 4;

// A vector of A in memory: any alignment that A has.
template <typename A>
struct ToVector {
  typedef A type __attribute__((vector_size(kVectorBytes), aligned(alignof(A)), may_alias));
};

template <typename A>
struct BlockSum {
  using Vector = typename ToVector<A>::type;
  static constexpr int64_t kLanes = kVectorBytes / sizeof(A);
  static_assert(kLanes * kVectors == kChannelBlock<A>);

  Vector sum[kVectors] = {};

  RCNN_LOOP void Add(const A* from, A weight) {
    for (int64_t v = 0; v < kVectors; ++v) {
      sum[v] += *reinterpret_cast<const Vector*>(from + v * kLanes) * weight;
    }
  }
  RCNN_LOOP void Store(A* to) const {
    for (int64_t v = 0; v < kVectors; ++v) *reinterpret_cast<Vector*>(to + v * kLanes) = sum[v];
  }
};

// to += weight * from, for one pixel of a block.
template <typename A>
RCNN_LOOP void AddScaled(const A* from, A weight, A* to) {
  using Vector = typename ToVector<A>::type;
  constexpr int64_t kLanes = BlockSum<A>::kLanes;
  for (int64_t v = 0; v < kVectors; ++v) {
    *reinterpret_cast<Vector*>(to + v * kLanes) +=
        *reinterpret_cast<const Vector*>(from + v * kLanes) * weight;
  }
}

template <typename A>
RCNN_LOOP void SampleBlockLoop(const A* map, const RoiOnBlock<A>& roi, A* columns, A* bins) {
  constexpr int64_t kBlock = kChannelBlock<A>;
  const AxisTaps<A>& y = *roi.y;
  const AxisTaps<A>& x = *roi.x;
  const int64_t bin_rows = static_cast<int64_t>(y.bin_begin.size()) - 1;
  const int64_t bin_columns = static_cast<int64_t>(x.bin_begin.size()) - 1;
  const int64_t num_columns = static_cast<int64_t>(x.pixels.size());
  for (int64_t row = 0; row < bin_rows; ++row) {
    for (int64_t j = 0; j < num_columns; ++j) {
      BlockSum<A> sum;
      for (int32_t t = y.bin_begin[row]; t < y.bin_begin[row + 1]; ++t) {
        sum.Add(map + roi.row_offset[y.slot[t]] + roi.column_offset[j], y.weight[t]);
      }
      sum.Store(columns + j * kBlock);
    }
    for (int64_t column = 0; column < bin_columns; ++column) {
      BlockSum<A> sum;
      for (int32_t t = x.bin_begin[column]; t < x.bin_begin[column + 1]; ++t) {
        sum.Add(columns + x.slot[t] * kBlock, x.weight[t]);
      }
      sum.Store(bins + (row * bin_columns + column) * kBlock);
    }
  }
}

template <typename A>
RCNN_LOOP void ScatterBlockLoop(const A* bins, const RoiOnBlock<A>& roi, A* columns, A* map) {
  constexpr int64_t kBlock = kChannelBlock<A>;
  const AxisTaps<A>& y = *roi.y;
  const AxisTaps<A>& x = *roi.x;
  const int64_t bin_rows = static_cast<int64_t>(y.bin_begin.size()) - 1;
  const int64_t bin_columns = static_cast<int64_t>(x.bin_begin.size()) - 1;
  const int64_t num_columns = static_cast<int64_t>(x.pixels.size());
  for (int64_t row = 0; row < bin_rows; ++row) {
    std::fill_n(columns, num_columns * kBlock, A{0});
    for (int64_t column = 0; column < bin_columns; ++column) {
      const A* bin = bins + (row * bin_columns + column) * kBlock;
      for (int32_t t = x.bin_begin[column]; t < x.bin_begin[column + 1]; ++t) {
        AddScaled(bin, x.weight[t], columns + x.slot[t] * kBlock);
      }
    }
    for (int32_t t = y.bin_begin[row]; t < y.bin_begin[row + 1]; ++t) {
      A* map_row = map + roi.row_offset[y.slot[t]];
      for (int64_t j = 0; j < num_columns; ++j) {
        AddScaled(columns + j * kBlock, y.weight[t], map_row + roi.column_offset[j]);
      }
    }
  }
}

#if defined(__x86_64__)

namespace avx2 {

#define RCNN_LANES_TARGET RCNN_AVX2
using avx2_lanes::Add, avx2_lanes::kLanes, avx2_lanes::Lanes, avx2_lanes::Load, avx2_lanes::Mul,
    avx2_lanes::Set, avx2_lanes::Store, avx2_lanes::Zero;

#include "rcnn/ops/cpu/roi_align_lanes_kernels.inc"
#undef RCNN_LANES_TARGET

}  // namespace avx2

namespace avx512 {

#define RCNN_LANES_TARGET RCNN_AVX512
using avx512_lanes::Add, avx512_lanes::kLanes, avx512_lanes::Lanes, avx512_lanes::Load,
    avx512_lanes::Mul, avx512_lanes::Set, avx512_lanes::Store, avx512_lanes::Zero;

#include "rcnn/ops/cpu/roi_align_lanes_kernels.inc"
#undef RCNN_LANES_TARGET

}  // namespace avx512

#endif

}  // namespace

void SampleBlock(const float* map, const RoiOnBlock<float>& roi, float* columns, float* bins) {
#if defined(__x86_64__)
  const InstructionLevel level = CurrentInstructionLevel();
  if (level >= InstructionLevel::kAvx512) return avx512::Sample(map, roi, columns, bins);
  if (level >= InstructionLevel::kAvx2) return avx2::Sample(map, roi, columns, bins);
#endif
  SampleBlockLoop(map, roi, columns, bins);
}

RCNN_TARGET_CLONES(void, SampleBlock, SampleBlockLoop,
                   (const double* map, const RoiOnBlock<double>& roi, double* columns,
                    double* bins),
                   (map, roi, columns, bins));

void ScatterBlock(const float* bins, const RoiOnBlock<float>& roi, float* columns, float* map) {
#if defined(__x86_64__)
  const InstructionLevel level = CurrentInstructionLevel();
  if (level >= InstructionLevel::kAvx512) return avx512::Scatter(bins, roi, columns, map);
  if (level >= InstructionLevel::kAvx2) return avx2::Scatter(bins, roi, columns, map);
#endif
  ScatterBlockLoop(bins, roi, columns, map);
}

RCNN_TARGET_CLONES(void, ScatterBlock, ScatterBlockLoop,
                   (const double* bins, const RoiOnBlock<double>& roi, double* columns,
                    double* map),
                   (bins, roi, columns, map));

}  // namespace rcnn::ops

// Packing and products of bfloat16 panels: the kernels behind the bfloat16 layers in this folder.
//
// Like panel_kernels.h, with operands rounded to bfloat16 and sums in float32. Both operands have
// one layout, a panel [pairs, 16, 2]: two numbers that follow each other over the depth lie side by
// side, because the processor multiplies and sums them in one instruction. An odd depth ends with
// a zero. Weights may be stored in half precision (half.h) until they become panels.
//
// Two sets: the processor's (AVX-512 BF16), and a portable one with the same rounding, which is
// slow and exists so that tests run anywhere.
//
// Example, a tile [16, 16] = a [16, depth] times b [16, depth] transposed:
//   const Bfloat16Kernels& kernels = GetBfloat16Kernels(CurrentInstructionLevel());
//   kernels.pack_rows(a, depth, 16, depth, rows);
//   kernels.pack_rows(b, depth, 16, depth, columns);
//   kernels.multiply(rows, columns, NumPairs(depth), {}, tile, 16);

#ifndef RCNN_DETECTION_CONVOLUTION_BFLOAT16_KERNELS_H_
#define RCNN_DETECTION_CONVOLUTION_BFLOAT16_KERNELS_H_

#include <cstdint>

#include "rcnn/base/instruction_level.h"
#include "rcnn/detection/convolution/bfloat16.h"
#include "rcnn/detection/convolution/half.h"
#include "rcnn/detection/convolution/panel_kernels.h"
#include "rcnn/detection/convolution/plane_lanes.h"

namespace rcnn::detection {

// Rows or columns of a panel.
inline constexpr int64_t kBfloat16Lanes = kPlaneLanes;

inline int64_t NumPairs(int64_t depth) { return (depth + 1) / 2; }

// Numbers of a panel.
inline int64_t Bfloat16PanelSize(int64_t pairs) { return pairs * kBfloat16Lanes * 2; }

// Elements of planes that become the lanes of a panel; lanes in no segment are 0.
struct PlaneLanes {
  const float* planes = nullptr;  // `count` of them, `plane_size` floats apart
  int64_t plane_size = 0, count = 0;
  const LaneSegment* segments = nullptr;
  int64_t num_segments = 0;
  int64_t step = 1;
};

struct Bfloat16Kernels {
  InstructionLevel level;
  // planes -> panel [NumPairs(count), 16, 2]: plane by plane over the depth.
  void (*pack_planes)(const PlaneLanes& lanes, Bfloat16* panel);
  // rows [num_rows <= 16, depth], `stride` floats apart -> panel [NumPairs(depth), 16, 2]; missing
  // rows become 0.
  void (*pack_rows)(const float* rows, int64_t stride, int64_t num_rows, int64_t depth,
                    Bfloat16* panel);
  // even, odd [count, 16] -> `count` times [16, 2], `stride` numbers apart.
  void (*pack_pairs)(const float* even, const float* odd, int64_t count, Bfloat16* pairs,
                     int64_t stride);
  // floats [count, 16], lane l times scales[l], rounded -> halves [count, 16].
  void (*pack_halves)(const float* floats, const float* scales, int64_t count, Half* halves);
  // halves [count, 16] -> floats [count, 16], lane l times scales[l].
  void (*unpack_halves)(const Half* halves, const float* scales, int64_t count, float* floats);
  // tile [16, 16], rows `stride` floats apart, = the product of two panels [pairs, 16, 2] that are
  // at multiples of 64 bytes. Denormals count as 0.
  void (*multiply)(const Bfloat16* row_panel, const Bfloat16* column_panel, int64_t pairs,
                   const TileOptions& options, float* tile, int64_t stride);
};

// The processor's where HasBfloat16Products(level), else the portable ones.
const Bfloat16Kernels& GetBfloat16Kernels(InstructionLevel level);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONVOLUTION_BFLOAT16_KERNELS_H_

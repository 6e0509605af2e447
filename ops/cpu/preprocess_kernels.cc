#include "rcnn/ops/cpu/preprocess_kernels.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "rcnn/base/target_clones.h"

namespace rcnn::ops {
namespace {

typedef uint8_t Bytes16 __attribute__((vector_size(16)));
typedef int32_t Ints4 __attribute__((vector_size(16)));
typedef float Floats4 __attribute__((vector_size(16)));
typedef Floats4 UnalignedFloats4 __attribute__((aligned(4), may_alias));

// Red, green, blue and the byte that follows, each widened by interleaving with zeros.
inline __attribute__((always_inline)) Floats4 LoadPixel(const uint8_t* from) {
  int32_t word;
  std::memcpy(&word, from, sizeof(word));
  const Bytes16 bytes = reinterpret_cast<Bytes16>(Ints4{word, 0, 0, 0});
  const Bytes16 wide =
      __builtin_shuffle(bytes, Bytes16{0, 4, 4, 4, 1, 4, 4, 4, 2, 4, 4, 4, 3, 4, 4, 4});
  return __builtin_convertvector(reinterpret_cast<Ints4>(wide), Floats4);
}

inline __attribute__((always_inline)) Floats4 BlendPixels(const uint8_t* row,
                                                          const ResizeAxis& axis, int64_t i) {
  const Floats4 low = LoadPixel(row + axis.low[i]);
  const Floats4 high = LoadPixel(row + axis.high[i]);
  return low + (high - low) * axis.weight[i];
}

inline __attribute__((always_inline)) void Store(const Floats4& value, float* to) {
  *reinterpret_cast<UnalignedFloats4*>(to) = value;
}

inline __attribute__((always_inline)) float Blend(float low, float high, const BlendRow& blend) {
  return (low + (high - low) * blend.weight - blend.mean) * blend.factor;
}

}  // namespace

ResizeAxis ComputeResizeAxis(int64_t count, double step, int64_t size) {
  ResizeAxis axis;
  const double last = static_cast<double>(size - 1);
  for (int64_t i = 0; i < count; ++i) {
    const double exact = (static_cast<double>(i) + 0.5) * step - 0.5;
    const double position = std::min(std::max(exact, 0.0), last);
    const double low = std::floor(position);
    axis.low.push_back(static_cast<int32_t>(low));
    axis.high.push_back(static_cast<int32_t>(std::min(low + 1, last)));
    axis.weight.push_back(static_cast<float>(position - low));
  }
  return axis;
}

// Four pixels at a time: their vectors (red, green, blue, byte that follows) are transposed into
// four reds, four greens and four blues.
RCNN_TARGET_CLONES void ResizeRow(const uint8_t* row, const ResizeAxis& axis, int64_t plane_stride,
                                  float* planes) {
  const int64_t count = static_cast<int64_t>(axis.low.size());
  int64_t i = 0;
  for (; i + 4 <= count; i += 4) {
    const Floats4 a = BlendPixels(row, axis, i);
    const Floats4 b = BlendPixels(row, axis, i + 1);
    const Floats4 c = BlendPixels(row, axis, i + 2);
    const Floats4 d = BlendPixels(row, axis, i + 3);
    const Floats4 ab = __builtin_shuffle(a, b, Ints4{0, 4, 1, 5});
    const Floats4 cd = __builtin_shuffle(c, d, Ints4{0, 4, 1, 5});
    const Floats4 ab_blue = __builtin_shuffle(a, b, Ints4{2, 6, 3, 7});
    const Floats4 cd_blue = __builtin_shuffle(c, d, Ints4{2, 6, 3, 7});
    Store(__builtin_shuffle(ab, cd, Ints4{0, 1, 4, 5}), planes + i);
    Store(__builtin_shuffle(ab, cd, Ints4{2, 3, 6, 7}), planes + plane_stride + i);
    Store(__builtin_shuffle(ab_blue, cd_blue, Ints4{0, 1, 4, 5}), planes + 2 * plane_stride + i);
  }
  for (; i < count; ++i) {
    const Floats4 pixel = BlendPixels(row, axis, i);
    for (int64_t c = 0; c < 3; ++c) planes[c * plane_stride + i] = pixel[c];
  }
}

RCNN_TARGET_CLONES void BlendRows(const float* __restrict low, const float* __restrict high,
                                  const BlendRow& blend, int64_t count, float* __restrict to) {
  const BlendRow constant = blend;
  for (int64_t i = 0; i < count; ++i) to[i] = Blend(low[i], high[i], constant);
}

RCNN_TARGET_CLONES void BlendRowsToPixels(const float* const low[3], const float* const high[3],
                                          const BlendRow blend[3], int64_t count,
                                          float* __restrict to) {
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t c = 0; c < 3; ++c) to[3 * i + c] = Blend(low[c][i], high[c][i], blend[c]);
  }
}

}  // namespace rcnn::ops

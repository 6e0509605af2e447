// A mask whose elements are 1 with a given probability and 0 otherwise, for dropout.
//
// An element's random bits are a function of the key and its place (philox.h), so the mask needs no
// generator and is the same on every device. Its place is its number in the mask; or, with
// `draw_rows`, its column, an image and a row of that image, whatever the row of the mask. A thread
// draws four elements of a row.

#ifndef RCNN_OPS_KERNELS_RANDOM_MASK_H_
#define RCNN_OPS_KERNELS_RANDOM_MASK_H_

#include <cstdint>

#include "rcnn/ops/kernels/kernel.h"
#include "rcnn/ops/kernels/philox.h"

namespace rcnn::ops {

struct FillRandomMask {
  RCNN_HOST_DEVICE int64_t BlocksOfRow() const { return CeilDivide(columns, kPhiloxWords); }

  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    const int64_t row = i / BlocksOfRow(), column = kPhiloxWords * (i % BlocksOfRow());
    const PhiloxBlock bits = Draw(row, static_cast<uint64_t>(column / kPhiloxWords));
    const int64_t end = Lesser(kPhiloxWords, columns - column);
    float* const to = mask + row * columns + column;
    for (int64_t w = 0; w < end; ++w) to[w] = bits.word[w] < threshold ? 1.0f : 0.0f;
  }

  RCNN_HOST_DEVICE PhiloxBlock Draw(int64_t row, uint64_t block) const {
    if (draw_rows == nullptr) return RandomBlock(key, /*image=*/0, block);
    const uint64_t of_image = static_cast<uint64_t>(draw_rows[2 * row + 1]);
    return RandomBlock(key, draw_rows[2 * row], of_image << 32 | block);
  }

  int64_t rows;
  int64_t columns;           // < 2^34 with draw_rows
  const int64_t* draw_rows;  // [rows, 2]: image, and row of the image < 2^32; null: 1 row
  uint64_t key;
  uint64_t threshold;  // the probability times 2^32
  float* mask;         // [rows, columns]
};

template <typename Launch>
void FillMask(Launch& launch, const FillRandomMask& fill) {
  LaunchForEach(launch, fill.rows * fill.BlocksOfRow(), fill);
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_RANDOM_MASK_H_

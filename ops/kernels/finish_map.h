// What follows a convolution, in one pass over its map and in place: a bias for each channel,
// another map, and a ReLU.
//
// Maps are channels-last without gaps. A thread computes neighbouring channels of a cell, 16 bytes
// of the map, if all cells begin at such multiples. Sums are those of element_types.h, in the order
// (map + bias) + other map, and are rounded once.
//
// N elements: reads and writes the map, and reads the other one: 6 N bytes of 16-bit types.

#ifndef RCNN_OPS_KERNELS_FINISH_MAP_H_
#define RCNN_OPS_KERNELS_FINISH_MAP_H_

#include <cstdint>

#include "rcnn/ops/kernels/element_types.h"
#include "rcnn/ops/kernels/kernel.h"

namespace rcnn::ops {

template <typename T>
struct FinishWork {
  using A = typename ElementSum<T>::type;

  int64_t count;  // elements of the map, < 2^32
  int64_t channels;
  const A* bias;  // [channels]
  const T* add;   // as the map; null: nothing
  bool relu;
  T* map;
};

// Elements kRun * i to kRun * (i + 1) - 1: channels of one cell.
template <typename T, int kRun>
struct FinishRun {
  using A = typename ElementSum<T>::type;

  // What is read or written at once.
  struct alignas(kRun * sizeof(T)) Run {
    T values[kRun];
  };
  struct alignas(kRun * sizeof(A) < 16 ? kRun * sizeof(A) : 16) Biases {
    A values[kRun];
  };

  RCNN_HOST_DEVICE void operator()(int64_t i) const {
    Run* const at = reinterpret_cast<Run*>(work.map) + i;
    const Run before = *at;
    const Biases bias = reinterpret_cast<const Biases*>(work.bias)[Modulo32(i, runs_of_cell)];
    Run other{};
    if (work.add != nullptr) other = reinterpret_cast<const Run*>(work.add)[i];
    Run after;
    RCNN_UNROLL
    for (int c = 0; c < kRun; ++c) {
      A sum = ToSum(before.values[c]) + bias.values[c];
      if (work.add != nullptr) sum += ToSum(other.values[c]);
      FromSum(work.relu ? Greater(sum, A{0}) : sum, &after.values[c]);
    }
    *at = after;
  }

  FinishWork<T> work;
  int64_t runs_of_cell;
};

template <typename Launch, typename T>
void FinishChannelsLast(Launch& launch, const FinishWork<T>& work) {
  constexpr int kRun = 16 / sizeof(T);
  const auto is_aligned = [](const void* data) {
    return reinterpret_cast<uintptr_t>(data) % 16 == 0;
  };
  if (work.channels % kRun == 0 && is_aligned(work.map) && is_aligned(work.bias) &&
      is_aligned(work.add)) {
    LaunchForEach(launch, work.count / kRun, FinishRun<T, kRun>{work, work.channels / kRun});
  } else {
    LaunchForEach(launch, work.count, FinishRun<T, 1>{work, work.channels});
  }
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_FINISH_MAP_H_

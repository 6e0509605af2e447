// How the RoI operators read and write feature maps, and divide the work.
//
// Internal to ops.

#ifndef RCNN_OPS_CPU_FEATURE_PLANES_H_
#define RCNN_OPS_CPU_FEATURE_PLANES_H_

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <cstdint>

#include "rcnn/ops/cpu/channel_blocks.h"

namespace rcnn::ops {

// The images of a contiguous or channels-last CPU tensor [N, C, H, W] in memory.
template <typename T>
struct Planes {
  explicit Planes(const at::Tensor& tensor)
      : data(tensor.data_ptr<T>()),
        channels(tensor.size(1)),
        pixels(tensor.size(2) * tensor.size(3)),
        strides(tensor.is_contiguous() ? ChannelStrides{pixels, 1} : ChannelStrides{1, channels}) {}

  // The first element of a block of channels.
  T* Block(int64_t image, int64_t block) const {
    constexpr int64_t kBlock = kChannelBlock<typename SumType<T>::type>;
    return data + image * channels * pixels + block * kBlock * strides.channel;
  }

  T* data;
  int64_t channels;
  int64_t pixels;
  ChannelStrides strides;
};

// Returns `tensor` as contiguous or channels-last, whichever is closer to its layout;
// without a copy if it already is.
inline at::Tensor AsPlanes(const at::Tensor& tensor) {
  return tensor.detach().contiguous(tensor.suggest_memory_format());
}

// Calls task(map, block) for all pairs, in an order that gives each thread blocks of every
// map.
template <typename Task>
void ForMapsAndBlocks(int64_t maps, int64_t blocks, const Task& task) {
  at::parallel_for(0, maps * blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) task(i % maps, i / maps);
  });
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CPU_FEATURE_PLANES_H_

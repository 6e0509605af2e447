// Feature maps split into blocks of a few channels, channels innermost: the layout
// used by the RoI operators.
//
// A block holds P pixels of kChannelBlock channels as [P][kChannelBlock] in the
// type that sums are kept in. One pixel is two cache lines and one loop of whole
// vectors without a remainder, whatever the tensor's own layout, dtype and number
// of channels; a block of a usual map (38 x 50 pixels) is 243 KB and stays in the
// second-level cache while all RoIs read it. Packing costs one pass over the map.
//
// Internal to ops.

#ifndef RCNN_OPS_CPU_CHANNEL_BLOCKS_H_
#define RCNN_OPS_CPU_CHANNEL_BLOCKS_H_

#include <c10/util/BFloat16.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace rcnn::ops {

// The accumulator type for values of type T.
template <typename T>
struct SumType {
  using type = T;
};
template <>
struct SumType<c10::BFloat16> {
  using type = float;
};

// Channels in a block of element type A: 32 floats or 16 doubles.
template <typename A>
constexpr int64_t kChannelBlock = 128 / sizeof(A);

// Blocks that hold `channels` channels.
template <typename A>
int64_t NumChannelBlocks(int64_t channels) {
  return (channels + kChannelBlock<A> - 1) / kChannelBlock<A>;
}

// The channels of block `block` that exist; the others are padding.
template <typename A>
int64_t ChannelsInBlock(int64_t channels, int64_t block) {
  return std::min(kChannelBlock<A>, channels - block * kChannelBlock<A>);
}

// Distance in elements between neighbouring channels and pixels.
struct ChannelStrides {
  int64_t channel;
  int64_t pixel;
};

// Copies `channels` <= kChannelBlock channels of `pixels` pixels into a block;
// the block's other channels become 0.
void PackBlock(const float* from, ChannelStrides strides, int64_t channels, int64_t pixels,
               float* block);
void PackBlock(const double* from, ChannelStrides strides, int64_t channels, int64_t pixels,
               double* block);
void PackBlock(const c10::BFloat16* from, ChannelStrides strides, int64_t channels, int64_t pixels,
               float* block);

// The reverse, rounding to the nearest (ties to even); padding is not written.
void UnpackBlock(const float* block, int64_t channels, int64_t pixels, float* to,
                 ChannelStrides strides);
void UnpackBlock(const double* block, int64_t channels, int64_t pixels, double* to,
                 ChannelStrides strides);
void UnpackBlock(const float* block, int64_t channels, int64_t pixels, c10::BFloat16* to,
                 ChannelStrides strides);

// The same for blocks of indices, which argmax operators store next to float and
// double values.
void UnpackBlock(const int32_t* block, int64_t channels, int64_t pixels, int32_t* to,
                 ChannelStrides strides);
void UnpackBlock(const int64_t* block, int64_t channels, int64_t pixels, int32_t* to,
                 ChannelStrides strides);

// Memory for blocks, aligned to cache lines, grown on demand and never shrunk;
// not initialised.
template <typename A>
class BlockBuffer {
 public:
  // Returns at least `size` elements. The pointer and the contents stay valid until a call that
  // grows the buffer.
  A* Reserve(int64_t size) {
    if (size > size_) {
      constexpr size_t kLine = 64;
      const size_t bytes = (size * sizeof(A) + kLine - 1) / kLine * kLine;
      memory_.reset(static_cast<A*>(std::aligned_alloc(kLine, bytes)));
      if (memory_ == nullptr) throw std::bad_alloc();
      size_ = size;
    }
    return memory_.get();
  }

 private:
  struct Free {
    void operator()(A* memory) const { std::free(memory); }
  };
  std::unique_ptr<A, Free> memory_;
  int64_t size_ = 0;
};

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CPU_CHANNEL_BLOCKS_H_

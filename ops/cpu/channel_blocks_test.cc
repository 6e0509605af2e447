#include "rcnn/ops/cpu/channel_blocks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace rcnn::ops {
namespace {

// Every combination of whole and partial vectors of four, both layouts.
template <typename T, typename A>
void ExpectRoundTrip() {
  for (const int64_t channels : {int64_t{1}, int64_t{3}, int64_t{6}, kChannelBlock<A>}) {
    for (const int64_t pixels : {1, 4, 7, 49}) {
      for (const ChannelStrides strides : {ChannelStrides{pixels, 1}, ChannelStrides{1, channels},
                                           ChannelStrides{2 * pixels, 2}}) {
        const int64_t size = (channels - 1) * strides.channel + (pixels - 1) * strides.pixel + 1;
        std::vector<T> values(size);
        for (int64_t i = 0; i < size; ++i) values[i] = static_cast<T>(static_cast<float>(i % 251));
        std::vector<A> block(pixels * kChannelBlock<A>, std::numeric_limits<A>::quiet_NaN());
        PackBlock(values.data(), strides, channels, pixels, block.data());
        for (int64_t p = 0; p < pixels; ++p) {
          for (int64_t c = 0; c < kChannelBlock<A>; ++c) {
            const int64_t i = c * strides.channel + p * strides.pixel;
            EXPECT_EQ(block[p * kChannelBlock<A> + c],
                      c < channels ? static_cast<A>(values[i]) : 0);
          }
        }
        std::vector<T> back(size, static_cast<T>(-1.0f));
        UnpackBlock(block.data(), channels, pixels, back.data(), strides);
        for (int64_t p = 0; p < pixels; ++p) {
          for (int64_t c = 0; c < channels; ++c) {
            const int64_t i = c * strides.channel + p * strides.pixel;
            EXPECT_EQ(static_cast<A>(back[i]), static_cast<A>(values[i]));
          }
        }
      }
    }
  }
}

TEST(ChannelBlocksTest, PackAndUnpackKeepValuesAndPadWithZeros) {
  ExpectRoundTrip<float, float>();
  ExpectRoundTrip<double, double>();
  ExpectRoundTrip<c10::BFloat16, float>();
}

TEST(ChannelBlocksTest, IndicesKeepAllBits) {
  std::vector<int32_t> block(kChannelBlock<float> * 5);
  for (size_t i = 0; i < block.size(); ++i) block[i] = 0x7fc00000 - static_cast<int32_t>(i) * 77777;
  std::vector<int32_t> planes(kChannelBlock<float> * 5);
  UnpackBlock(block.data(), kChannelBlock<float>, 5, planes.data(), ChannelStrides{5, 1});
  for (int64_t c = 0; c < kChannelBlock<float>; ++c) {
    for (int64_t p = 0; p < 5; ++p) {
      EXPECT_EQ(planes[c * 5 + p], block[p * kChannelBlock<float> + c]);
    }
  }
}

TEST(ChannelBlocksTest, BlocksCoverAllChannels) {
  EXPECT_EQ(NumChannelBlocks<float>(0), 0);
  EXPECT_EQ(NumChannelBlocks<float>(32), 1);
  EXPECT_EQ(NumChannelBlocks<float>(33), 2);
  EXPECT_EQ(ChannelsInBlock<float>(33, 0), 32);
  EXPECT_EQ(ChannelsInBlock<float>(33, 1), 1);
}

TEST(ChannelBlocksTest, BufferGrowsAndStaysAligned) {
  BlockBuffer<float> buffer;
  float* small = buffer.Reserve(3);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(small) % 64, 0u);
  EXPECT_EQ(buffer.Reserve(2), small);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.Reserve(1000)) % 64, 0u);
}

}  // namespace
}  // namespace rcnn::ops

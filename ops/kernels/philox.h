// Philox 4x32-10: random numbers as a function of a counter, the same on every device and in any
// order.
//
// A random choice about row i of image j takes word i % 4 of counter (i / 4, j) under a key made of
// the experiment's seed, the stage, the iteration and the purpose (StreamSeed of base/stream_key.h,
// DrawKey of base/random_stream.h). So picks need no generator's state and do not depend on
// threads, batches or processes.
//
// Source: Salmon, Moraes, Dror, Shaw, Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011; the
// constants are those of Random123.
//
// Example:
//   const uint32_t bits = RandomBits(StreamSeed(key), image, row);

#ifndef RCNN_OPS_KERNELS_PHILOX_H_
#define RCNN_OPS_KERNELS_PHILOX_H_

#include <cstdint>

#include "rcnn/ops/kernels/kernel.h"

namespace rcnn::ops {

// Words of a block, and so rows that share one.
constexpr int64_t kPhiloxWords = 4;

struct PhiloxBlock {
  uint32_t word[kPhiloxWords];
};

// The 128 random bits of `counter` under `key`.
RCNN_HOST_DEVICE inline PhiloxBlock Philox(PhiloxBlock counter, uint64_t key) {
  constexpr int kRounds = 10;
  uint32_t key_low = static_cast<uint32_t>(key), key_high = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t a = uint64_t{0xD2511F53u} * counter.word[0];
    const uint64_t b = uint64_t{0xCD9E8D57u} * counter.word[2];
    counter = {
        {static_cast<uint32_t>(b >> 32) ^ counter.word[1] ^ key_low, static_cast<uint32_t>(b),
         static_cast<uint32_t>(a >> 32) ^ counter.word[3] ^ key_high, static_cast<uint32_t>(a)}};
    key_low += 0x9E3779B9u;
    key_high += 0xBB67AE85u;
  }
  return counter;
}

// The random bits of rows 4 block to 4 block + 3 of image `image`.
RCNN_HOST_DEVICE inline PhiloxBlock RandomBlock(uint64_t key, int64_t image, uint64_t block) {
  const uint64_t image_bits = static_cast<uint64_t>(image);
  return Philox({{static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32),
                  static_cast<uint32_t>(image_bits), static_cast<uint32_t>(image_bits >> 32)}},
                key);
}

// 32 random bits for row `row` >= 0 of image `image`. The word is selected, as an index would put
// the block into a GPU's memory.
RCNN_HOST_DEVICE inline uint32_t RandomBits(uint64_t key, int64_t image, int64_t row) {
  const PhiloxBlock bits = RandomBlock(key, image, static_cast<uint64_t>(row / kPhiloxWords));
  const uint32_t low = row & 1 ? bits.word[1] : bits.word[0];
  const uint32_t high = row & 1 ? bits.word[3] : bits.word[2];
  return row & 2 ? high : low;
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_PHILOX_H_

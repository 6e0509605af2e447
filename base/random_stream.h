// An at::Generator for a named random stream.
//
// Pass it to every operator that draws random numbers. The same key gives the same
// numbers, regardless of what ran before and on which thread. Use one generator per
// purpose and step; do not reuse it in the next step. See stream_key.h for streams
// without tensors.
//
// Example:
//   at::Generator generator =
//       MakeGenerator({.seed = 3, .stage = "rpn1", .step = iteration, .purpose = "anchors"});
//   at::Tensor order = at::randperm(n, generator);

#ifndef RCNN_BASE_RANDOM_STREAM_H_
#define RCNN_BASE_RANDOM_STREAM_H_

#include <ATen/core/Generator.h>

#include <cstdint>

#include "rcnn/base/stream_key.h"

namespace rcnn {

// Returns a new CPU generator (mt19937) seeded with StreamSeed(key).
at::Generator MakeGenerator(const StreamKey& key);

// The next 64 random bits of a CPU generator: a key for draws by counters (ops/counter_sampler.h).
// Throws c10::Error for a generator of another device.
uint64_t DrawBits(at::Generator generator);

}  // namespace rcnn

#endif  // RCNN_BASE_RANDOM_STREAM_H_

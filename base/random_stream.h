// An at::Generator for a named random stream.
//
// Pass it to every operator that draws random numbers. The same key gives the same
// numbers, regardless of what ran before and on which thread. Use one generator per
// purpose and step; do not reuse it in the next step. See stream_key.h for streams
// without tensors. Draws by counters (ops/counter_sampler.h, ops/random_mask.h) take a key from
// DrawKey instead.
//
// Example:
//   at::Generator generator =
//       MakeGenerator({.seed = 3, .stage = "rpn1", .step = iteration, .purpose = "anchors"});
//   at::Tensor order = at::randperm(n, generator);

#ifndef RCNN_BASE_RANDOM_STREAM_H_
#define RCNN_BASE_RANDOM_STREAM_H_

#include <ATen/core/Generator.h>

#include <cstdint>

#include "absl/strings/string_view.h"
#include "rcnn/base/stream_key.h"

namespace rcnn {

// Returns a new CPU generator (mt19937) seeded with StreamSeed(key).
at::Generator MakeGenerator(const StreamKey& key);

// A key for draws by counters: a function of the CPU generator's seed, of its next 64 random bits,
// which advance it, and of the purpose. So with a generator of MakeGenerator a key is named by its
// seed, stage and step, by the purpose, and by how many keys were drawn before. The seed counts
// with all its bits, while the generator (mt19937) starts from the lower 32.
// Throws c10::Error for a generator of another device.
uint64_t DrawKey(at::Generator generator, absl::string_view purpose);

}  // namespace rcnn

#endif  // RCNN_BASE_RANDOM_STREAM_H_

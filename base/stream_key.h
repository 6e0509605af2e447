// Names a random stream, and draws from it without tensors.
//
// There is no global generator in rcnn. Every random choice draws from a stream
// named by (experiment seed, stage, step, purpose), so that resuming at a step
// needs no saved state, and the number of threads changes nothing. For tensors,
// random_stream.h turns a key into an at::Generator.
//
// Example:
//   RandomStream stream({.seed = 3, .stage = "rpn1", .step = epoch, .purpose = "shuffle"});
//   stream.Shuffle(indices);

#ifndef RCNN_BASE_STREAM_KEY_H_
#define RCNN_BASE_STREAM_KEY_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace rcnn {

struct StreamKey {
  uint64_t seed = 0;          // of the experiment
  absl::string_view stage;    // name of the stage, or of another caller
  int64_t step = 0;           // iteration, epoch or sample index
  absl::string_view purpose;  // what is drawn, e.g. "anchors"
};

// Returns the 64-bit seed of a stream: a fixed function of the four parts, the
// same in every version and on every machine. Different keys collide with
// probability 2^-64.
uint64_t StreamSeed(const StreamKey& key);

// A stream of numbers: SplitMix64 (Steele, Lea, Flood 2014) from the key's seed.
// The sequence is part of the interface: it does not change between versions.
class RandomStream {
 public:
  explicit RandomStream(const StreamKey& key) : state_(StreamSeed(key)) {}

  // The next 64 random bits.
  uint64_t NextBits();

  // Uniform in [0, n), without bias. n >= 1.
  int64_t UniformInt(int64_t n);

  // Uniform in [low, high); low itself if the two are equal.
  double Uniform(double low = 0.0, double high = 1.0);

  // Normal with the given mean and standard deviation (Box-Muller, two draws).
  double Normal(double mean = 0.0, double stddev = 1.0);

  // True with the given probability.
  bool Bernoulli(double probability) { return Uniform() < probability; }

  // Permutes in place, every order equally likely (Fisher-Yates).
  template <typename T>
  void Shuffle(std::vector<T>& values) {
    for (size_t i = values.size(); i > 1; --i) {
      std::swap(values[i - 1], values[static_cast<size_t>(UniformInt(static_cast<int64_t>(i)))]);
    }
  }

 private:
  uint64_t state_;
};

}  // namespace rcnn

#endif  // RCNN_BASE_STREAM_KEY_H_

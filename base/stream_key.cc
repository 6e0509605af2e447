#include "rcnn/base/stream_key.h"

#include <cmath>

namespace rcnn {
namespace {

constexpr uint64_t kGolden = 0x9E3779B97F4A7C15;  // 2^64 / golden ratio
constexpr double kPi = 3.14159265358979323846;

// The finaliser of SplitMix64: a bijection in which every input bit affects every
// output bit.
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

uint64_t Absorb(uint64_t state, uint64_t word) {
  return Mix((state + kGolden) ^ Mix(word + kGolden));
}

// The length goes in first, so that ("ab", "c") and ("a", "bc") differ.
uint64_t Absorb(uint64_t state, absl::string_view text) {
  state = Absorb(state, static_cast<uint64_t>(text.size()));
  for (const char c : text)
    state = Absorb(state, static_cast<uint64_t>(static_cast<unsigned char>(c)));
  return state;
}

}  // namespace

uint64_t StreamSeed(const StreamKey& key) {
  uint64_t state = Absorb(0, key.seed);
  state = Absorb(state, key.stage);
  state = Absorb(state, static_cast<uint64_t>(key.step));
  return Absorb(state, key.purpose);
}

uint64_t RandomStream::NextBits() {
  state_ += kGolden;
  return Mix(state_);
}

int64_t RandomStream::UniformInt(int64_t n) {
  const uint64_t range = static_cast<uint64_t>(n);
  // The lowest 2^64 mod n values would make small results likelier, so draw again.
  const uint64_t reject_below = (0 - range) % range;
  uint64_t bits = NextBits();
  while (bits < reject_below) bits = NextBits();
  return static_cast<int64_t>(bits % range);
}

double RandomStream::Uniform(double low, double high) {
  const double unit = static_cast<double>(NextBits() >> 11) * 0x1p-53;
  const double value = low + (high - low) * unit;
  return value < high ? value : low;  // the sum may have been rounded up to high
}

double RandomStream::Normal(double mean, double stddev) {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - Uniform()));
  return mean + stddev * radius * std::cos(2.0 * kPi * Uniform());
}

}  // namespace rcnn

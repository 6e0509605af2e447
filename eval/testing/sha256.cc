#include "rcnn/eval/testing/sha256.h"

#include <array>
#include <cmath>
#include <cstdint>

#include "absl/strings/str_cat.h"

namespace rcnn::eval::testing {
namespace {

// The first 32 bits of the fraction of a root of the n-th prime.
template <size_t N>
std::array<uint32_t, N> PrimeRoots(long double (*root)(long double)) {
  std::array<uint32_t, N> words{};
  uint32_t prime = 2;
  for (size_t i = 0; i < N; ++prime) {
    bool is_prime = true;
    for (uint32_t d = 2; d * d <= prime; ++d) is_prime = is_prime && prime % d != 0;
    if (!is_prime) continue;
    const long double value = root(prime);
    words[i++] = static_cast<uint32_t>((value - std::floor(value)) * 4294967296.0L);
  }
  return words;
}

uint32_t Rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

using State = std::array<uint32_t, 8>;

void Compress(const unsigned char* block, State& state) {
  static const auto kRound = PrimeRoots<64>([](long double x) { return std::cbrt(x); });
  uint32_t w[64];
  for (int i = 0; i < 16; ++i) {
    w[i] = uint32_t{block[4 * i]} << 24 | uint32_t{block[4 * i + 1]} << 16 |
           uint32_t{block[4 * i + 2]} << 8 | block[4 * i + 3];
  }
  for (int i = 16; i < 64; ++i) {
    const uint32_t s0 = Rotate(w[i - 15], 7) ^ Rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
    const uint32_t s1 = Rotate(w[i - 2], 17) ^ Rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  auto [a, b, c, d, e, f, g, h] = state;
  for (int i = 0; i < 64; ++i) {
    const uint32_t t1 = h + (Rotate(e, 6) ^ Rotate(e, 11) ^ Rotate(e, 25)) + ((e & f) ^ (~e & g)) +
                        kRound[i] + w[i];
    const uint32_t t2 =
        (Rotate(a, 2) ^ Rotate(a, 13) ^ Rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  const State add = {a, b, c, d, e, f, g, h};
  for (int i = 0; i < 8; ++i) state[i] += add[i];
}

}  // namespace

std::string Sha256(absl::string_view bytes) {
  State state = PrimeRoots<8>([](long double x) { return std::sqrt(x); });
  std::string padded(bytes);
  padded += '\x80';
  while (padded.size() % 64 != 56) padded += '\0';
  const uint64_t bits = uint64_t{bytes.size()} * 8;
  for (int shift = 56; shift >= 0; shift -= 8) padded += static_cast<char>(bits >> shift);
  for (size_t i = 0; i < padded.size(); i += 64) {
    Compress(reinterpret_cast<const unsigned char*>(padded.data()) + i, state);
  }
  std::string digest;
  for (uint32_t word : state) absl::StrAppend(&digest, absl::Hex(word, absl::kZeroPad8));
  return digest;
}

}  // namespace rcnn::eval::testing

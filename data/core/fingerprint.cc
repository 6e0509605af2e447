#include "rcnn/data/core/fingerprint.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_format.h"

namespace rcnn::data {
namespace {

// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection in which
// every input bit changes every output bit with probability about 1/2.
uint64_t Mix(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

}  // namespace

Fingerprint& Fingerprint::Add(int64_t value) {
  const uint64_t bits = static_cast<uint64_t>(value);
  first_ = Mix(first_ + 0x9e3779b97f4a7c15 + bits);
  second_ = Mix((second_ ^ bits) * 0xd1342543de82ef95 + 1);
  return *this;
}

Fingerprint& Fingerprint::Add(double value) {
  const double unsigned_zero = value == 0 ? 0.0 : value;
  int64_t bits = 0;
  std::memcpy(&bits, &unsigned_zero, sizeof(bits));
  return Add(bits);
}

Fingerprint& Fingerprint::Add(absl::string_view text) {
  Add(static_cast<int64_t>(text.size()));
  for (size_t start = 0; start < text.size(); start += 8) {
    // Byte by byte, so that the machine's byte order does not matter.
    uint64_t word = 0;
    for (size_t i = start; i < std::min(start + 8, text.size()); ++i) {
      word = word << 8 | static_cast<uint8_t>(text[i]);
    }
    Add(static_cast<int64_t>(word));
  }
  return *this;
}

std::string Fingerprint::Hex() const { return absl::StrFormat("%016x%016x", first_, second_); }

}  // namespace rcnn::data

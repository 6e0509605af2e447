#include "rcnn/base/crc32c.h"

#include <array>
#include <cstddef>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace rcnn {
namespace {

constexpr uint32_t kReflectedPolynomial = 0x82F63B78;

std::array<uint32_t, 256> MakeTable() {
  std::array<uint32_t, 256> table;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? kReflectedPolynomial : 0);
    table[byte] = crc;
  }
  return table;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t Crc32cByInstruction(absl::string_view bytes,
                                                               uint32_t crc) {
  uint64_t state = ~crc;
  const char* p = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; p += 8, left -= 8) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    state = _mm_crc32_u64(state, word);
  }
  for (; left > 0; ++p, --left) {
    state = _mm_crc32_u8(static_cast<uint32_t>(state), static_cast<unsigned char>(*p));
  }
  return ~static_cast<uint32_t>(state);
}
#endif

}  // namespace

namespace internal {

uint32_t Crc32cByTable(absl::string_view bytes, uint32_t crc) {
  static const std::array<uint32_t, 256>& table = *new std::array<uint32_t, 256>(MakeTable());
  crc = ~crc;
  for (const char c : bytes) crc = (crc >> 8) ^ table[(crc ^ static_cast<unsigned char>(c)) & 0xFF];
  return ~crc;
}

}  // namespace internal

uint32_t Crc32c(absl::string_view bytes, uint32_t crc) {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2");
  if (has_instruction) return Crc32cByInstruction(bytes, crc);
#endif
  return internal::Crc32cByTable(bytes, crc);
}

}  // namespace rcnn

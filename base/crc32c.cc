#include "rcnn/base/crc32c.h"

#include <array>

#include "rcnn/base/crc32c_kernels.h"

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
  static const bool has_instruction = HasCrc32cInstruction();
  return has_instruction ? Crc32cByInstruction(bytes, crc) : internal::Crc32cByTable(bytes, crc);
}

}  // namespace rcnn

// CRC-32C (Castagnoli), the checksum of checkpoints and of event files.
//
// Detects torn and corrupt files, but not tampering.
//
// Source: RFC 3720, Appendix B.4 (polynomial 0x1EDC6F41, reflected, inverted).
//
// Example:
//   uint32_t crc = Crc32c("123456789");   // 0xE3069283

#ifndef RCNN_BASE_CRC32C_H_
#define RCNN_BASE_CRC32C_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace rcnn {

// Returns the CRC of `bytes`. With the `crc` of preceding bytes it continues from
// there, so pieces give the same value as the whole. Uses the processor's CRC
// instruction if available.
uint32_t Crc32c(absl::string_view bytes, uint32_t crc = 0);

namespace internal {
// The table-driven version for processors without the instruction; for tests.
uint32_t Crc32cByTable(absl::string_view bytes, uint32_t crc);
}  // namespace internal

}  // namespace rcnn

#endif  // RCNN_BASE_CRC32C_H_

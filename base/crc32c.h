// CRC-32C (Castagnoli), the checksum of checkpoints and of event files.
//
// Finds torn and corrupt files; not for protection against people.
//
// Source: RFC 3720, Appendix B.4 (polynomial 0x1EDC6F41, reflected, inverted).
//
// Example: uint32_t crc = Crc32c("123456789");   // 0xE3069283

#ifndef RCNN_BASE_CRC32C_H_
#define RCNN_BASE_CRC32C_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace rcnn {

// Returns the CRC of `bytes`, or of what gave `crc` followed by `bytes`: pieces
// give the same value as the whole. Uses the processor's instruction where it
// has one.
uint32_t Crc32c(absl::string_view bytes, uint32_t crc = 0);

namespace internal {
// The same by table, for processors without the instruction; for tests.
uint32_t Crc32cByTable(absl::string_view bytes, uint32_t crc);
}  // namespace internal

}  // namespace rcnn

#endif  // RCNN_BASE_CRC32C_H_

// CRC-32C by the processor's own instruction, which SSE4.2 brought.
//
// For crc32c.cc; others call Crc32c (crc32c.h). Not subject to the level of instructions
// (instruction_set.h), whose lowest one allows SSE4.2.

#ifndef RCNN_BASE_CRC32C_KERNELS_H_
#define RCNN_BASE_CRC32C_KERNELS_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace rcnn {

// Whether this processor has the instruction.
bool HasCrc32cInstruction();

// Crc32c(bytes, crc). HasCrc32cInstruction() must hold.
uint32_t Crc32cByInstruction(absl::string_view bytes, uint32_t crc);

}  // namespace rcnn

#endif  // RCNN_BASE_CRC32C_KERNELS_H_

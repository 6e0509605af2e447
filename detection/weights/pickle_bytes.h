// The bytes of a pickle, read from opcode to opcode, with errors that name the opcode's position.
//
// Source: CPython's Lib/pickletools.py for the operands.
//
// Example:
//   PickleBytes bytes(pickle, /*max_bytes=*/1 << 20);
//   RCNN_ASSIGN_OR_RETURN(const int opcode, bytes.NextOpcode());
//   if (opcode != '.') return bytes.Error("does not stop");

#ifndef RCNN_DETECTION_WEIGHTS_PICKLE_BYTES_H_
#define RCNN_DETECTION_WEIGHTS_PICKLE_BYTES_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rcnn::detection::weights {

// Not for several threads. Views of the bytes: these must outlive it and what it returns.
class PickleBytes {
 public:
  // A pickle at the start of `bytes`, of at most `max_bytes`.
  PickleBytes(absl::string_view bytes, size_t max_bytes);

  // The next opcode, in [0, 256). Its position is that of errors from then on.
  absl::StatusOr<int> NextOpcode();

  // Operands. kDataLoss if the bytes end before; kResourceExhausted if max_bytes do.

  absl::StatusOr<absl::string_view> Take(uint64_t size);
  // Little-endian, of `width` <= 8 bytes.
  absl::StatusOr<uint64_t> Unsigned(int width);
  // Two's complement, little-endian, of any width that fits into 64 bits; kInvalidArgument for
  // others.
  absl::StatusOr<int64_t> Signed(uint64_t width);
  // float64, big-endian.
  absl::StatusOr<double> Float();
  // Up to a line break, which is read too and not returned.
  absl::StatusOr<absl::string_view> Line();

  // kInvalidArgument with `what` and the position of the opcode.
  absl::Status Error(absl::string_view what) const;

  // The number of bytes that have been read.
  size_t position() const { return position_; }

 private:
  const absl::string_view bytes_;
  const bool shortened_;  // to max_bytes
  size_t position_ = 0;
  size_t opcode_at_ = 0;
};

}  // namespace rcnn::detection::weights

#endif  // RCNN_DETECTION_WEIGHTS_PICKLE_BYTES_H_

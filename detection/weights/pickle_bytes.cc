#include "rcnn/detection/weights/pickle_bytes.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::detection::weights {

PickleBytes::PickleBytes(absl::string_view bytes, size_t max_bytes)
    : bytes_(bytes.substr(0, max_bytes)), shortened_(bytes.size() > max_bytes) {}

absl::StatusOr<int> PickleBytes::NextOpcode() {
  opcode_at_ = position_;
  RCNN_ASSIGN_OR_RETURN(const uint64_t opcode, Unsigned(1));
  return static_cast<int>(opcode);
}

absl::StatusOr<absl::string_view> PickleBytes::Take(uint64_t size) {
  if (size > bytes_.size() - position_) {
    if (!shortened_) {
      return absl::DataLossError(absl::StrCat("pickle, byte ", opcode_at_, ": the file ends"));
    }
    return absl::ResourceExhaustedError(
        absl::StrCat("pickle of more than ", bytes_.size(), " bytes"));
  }
  const absl::string_view taken = bytes_.substr(position_, size);
  position_ += size;
  return taken;
}

absl::StatusOr<uint64_t> PickleBytes::Unsigned(int width) {
  RCNN_ASSIGN_OR_RETURN(const absl::string_view taken, Take(width));
  uint64_t value = 0;
  for (int i = width - 1; i >= 0; --i) value = value << 8 | static_cast<uint8_t>(taken[i]);
  return value;
}

absl::StatusOr<int64_t> PickleBytes::Signed(uint64_t width) {
  RCNN_ASSIGN_OR_RETURN(const absl::string_view taken, Take(width));
  if (width > 8) return Error("an integer of more than 64 bits");
  uint64_t value = width > 0 && (taken[width - 1] & 0x80) != 0 ? ~uint64_t{0} : 0;
  for (int i = static_cast<int>(width) - 1; i >= 0; --i) {
    value = value << 8 | static_cast<uint8_t>(taken[i]);
  }
  return static_cast<int64_t>(value);
}

// The only big-endian operand.
absl::StatusOr<double> PickleBytes::Float() {
  RCNN_ASSIGN_OR_RETURN(const absl::string_view taken, Take(8));
  uint64_t bits = 0;
  for (const char byte : taken) bits = bits << 8 | static_cast<uint8_t>(byte);
  double value = 0;
  std::memcpy(&value, &bits, sizeof(bits));
  return value;
}

absl::StatusOr<absl::string_view> PickleBytes::Line() {
  const size_t end = bytes_.find('\n', position_);
  RCNN_ASSIGN_OR_RETURN(const absl::string_view line,
                        Take(end == absl::string_view::npos ? bytes_.size() : end - position_));
  ++position_;
  return line;
}

absl::Status PickleBytes::Error(absl::string_view what) const {
  return absl::InvalidArgumentError(absl::StrCat("pickle, byte ", opcode_at_, ": ", what));
}

}  // namespace rcnn::detection::weights

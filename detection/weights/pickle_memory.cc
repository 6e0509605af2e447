#include "rcnn/detection/weights/pickle_memory.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace rcnn::detection::weights {
namespace {

// Bytes per value, with its share of blocks and tables. A growing vector briefly holds up to
// three times its items.
constexpr size_t kNodeBytes = 112;
constexpr size_t kSlotBytes = 3 * sizeof(void*);       // of the stack and the marks
constexpr size_t kGrownItemBytes = 4 * sizeof(void*);  // of a list or dict, with its source
constexpr size_t kTupleItemBytes = sizeof(void*);
constexpr size_t kMemoBytes = 56;
constexpr size_t kBlockBytes = 32;  // of an allocation of its own
constexpr size_t kInlineText = 15;  // characters that a string holds without one

}  // namespace

absl::Status CheckPickleMemory(size_t needed, size_t file_bytes) {
  const size_t most = kFreePickleMemory + kPickleMemoryPerByte * file_bytes;
  if (needed <= most) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("the pickle needs more than ", most, " bytes of memory, ", kPickleMemoryPerByte,
                   " times the size of the file: it is damaged or malicious"));
}

void PickleMemory::AddText(size_t characters) {
  if (characters > kInlineText) used_bytes_ += characters + kBlockBytes;
}

void PickleMemory::AddTuple(size_t items) { used_bytes_ += kTupleItemBytes * items + kBlockBytes; }

void PickleMemory::AddItems(size_t items) { used_bytes_ += kGrownItemBytes * items; }

absl::Status PickleMemory::Check(size_t values, size_t memo_entries, size_t stacked, size_t marks) {
  most_stacked_ = std::max(most_stacked_, stacked);
  most_marks_ = std::max(most_marks_, marks);
  return CheckPickleMemory(used_bytes_ + kNodeBytes * values + kMemoBytes * memo_entries +
                               kSlotBytes * (most_stacked_ + most_marks_),
                           file_bytes_);
}

}  // namespace rcnn::detection::weights

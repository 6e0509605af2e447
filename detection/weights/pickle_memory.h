// The memory that the values of a pickle use, and how much they may.
//
// A file of a few kilobytes can describe values of gigabytes. A reader adds what it makes, before
// or after each step, and gives up where that is more than a small multiple of the file.
//
// Example:
//   PickleMemory memory(file_bytes);
//   memory.AddText(text.size());
//   RCNN_RETURN_IF_ERROR(memory.Check(nodes.size(), memo.size(), stack.size(), marks.size()));

#ifndef RCNN_DETECTION_WEIGHTS_PICKLE_MEMORY_H_
#define RCNN_DETECTION_WEIGHTS_PICKLE_MEMORY_H_

#include <cstddef>

#include "absl/status/status.h"

namespace rcnn::detection::weights {

// Memory that the values of a pickle may use: 1 MiB, and 16 bytes for each byte of the file.
inline constexpr size_t kFreePickleMemory = size_t{1} << 20;
inline constexpr size_t kPickleMemoryPerByte = 16;

// kResourceExhausted if `needed` bytes are more than that for a file of `file_bytes`.
absl::Status CheckPickleMemory(size_t needed, size_t file_bytes);

// What a reader has made. Numbers of bytes are upper bounds of what a heap gives for them.
class PickleMemory {
 public:
  // For a file of this size.
  explicit PickleMemory(size_t file_bytes) : file_bytes_(file_bytes) {}

  // A text of so many characters, kept by a value.
  void AddText(size_t characters);
  // The items of one tuple, allocated at once.
  void AddTuple(size_t items);
  // Items appended to a list or a dict, keys and values.
  void AddItems(size_t items);

  // The error of CheckPickleMemory if all that was added, so many values and memo entries, and the
  // largest stack and list of marks of all calls use too much.
  absl::Status Check(size_t values, size_t memo_entries, size_t stacked, size_t marks);

 private:
  const size_t file_bytes_;
  size_t used_bytes_ = 0;  // of texts and items
  size_t most_stacked_ = 0;
  size_t most_marks_ = 0;
};

}  // namespace rcnn::detection::weights

#endif  // RCNN_DETECTION_WEIGHTS_PICKLE_MEMORY_H_

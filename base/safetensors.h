// The safetensors file format: named arrays that are mapped, not parsed.
//
// rcnn stores weights, trainer state, proposals and feature caches in this format. This file
// reads it; safetensors_writer.h writes it. Both handle bytes, shapes and element types, but
// no tensors. The reader validates everything before it returns the first array, so untrusted
// files are safe.
//
// Format: https://github.com/huggingface/safetensors#format. A little-endian
// uint64 N; N bytes of JSON, {"name": {"dtype": "F32", "shape": [2, 3],
// "data_offsets": [begin, end]}, ..., "__metadata__": {"key": "value"}}, padded
// with spaces; the arrays, row-major and little-endian, without holes.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::Open("boxes.safetensors"));
//   const SafetensorsArray* boxes = file.view().Find("boxes");

#ifndef RCNN_BASE_SAFETENSORS_H_
#define RCNN_BASE_SAFETENSORS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/file_io.h"

namespace rcnn {

// Element types, named as in the file.
enum class SafetensorsType {
  kBool,
  kU8,
  kI8,
  kU16,
  kI16,
  kF16,
  kBF16,
  kU32,
  kI32,
  kF32,
  kU64,
  kI64,
  kF64,
};

// The name in the file, "F32".
absl::string_view SafetensorsTypeName(SafetensorsType type);

// Bytes per element: 1, 2, 4 or 8.
int64_t SafetensorsTypeSize(SafetensorsType type);

// An array as described by the file. An empty shape is a scalar; a shape with a
// zero is an empty array.
struct SafetensorsSpec {
  std::string name;
  SafetensorsType type = SafetensorsType::kF32;
  std::vector<int64_t> shape;
};

// Elements times element size. kInvalidArgument, naming the array, when a size is
// negative or the product does not fit an int64.
absl::StatusOr<int64_t> SafetensorsByteSize(const SafetensorsSpec& spec);

// An array and its bytes. They are aligned to the element size in files that
// rcnn wrote; in others they need not be.
struct SafetensorsArray {
  SafetensorsSpec spec;
  absl::string_view bytes;
};

using SafetensorsMetadata = std::map<std::string, std::string>;

// The largest header that is read or written, in bytes; the format's own limit.
inline constexpr int64_t kMaxSafetensorsHeaderBytes = 100'000'000;

// The largest number of sizes in a shape.
inline constexpr int64_t kMaxSafetensorsSizes = 64;

// The largest number of entries of metadata in a header of that size: tiny entries take many times
// their bytes in memory.
constexpr int64_t MaxSafetensorsMetadata(int64_t header_bytes) { return 1000 + header_bytes / 16; }

// A parsed file, whose arrays point into the bytes that were parsed.
class SafetensorsView {
 public:
  // Checks all of `file` and keeps pointing into it. kDataLoss when the file ends
  // before its header does; kInvalidArgument, naming the array and the value, when
  // the header is too large or not JSON of the form above, a name is a duplicate, a
  // type is unknown, shape and offsets disagree, or arrays overlap, leave holes or
  // lie outside the file, as they do if it is cut off after the header; also for more sizes in a
  // shape or entries of metadata than the limits above. Memory: at most 16 times the header.
  static absl::StatusOr<SafetensorsView> Parse(absl::string_view file);

  // In the order of their bytes in the file; arrays without bytes by name.
  const std::vector<SafetensorsArray>& arrays() const { return arrays_; }

  // Null if no array has that name.
  const SafetensorsArray* Find(absl::string_view name) const;

  const SafetensorsMetadata& metadata() const { return metadata_; }

 private:
  std::vector<SafetensorsArray> arrays_;
  std::map<std::string, size_t, std::less<>> index_;
  SafetensorsMetadata metadata_;
};

// A memory-mapped file and its view.
class SafetensorsFile {
 public:
  // The errors of MappedFile::Open and SafetensorsView::Parse, with the path.
  static absl::StatusOr<SafetensorsFile> Open(const std::string& path);

  const SafetensorsView& view() const { return view_; }

 private:
  SafetensorsFile(MappedFile file, SafetensorsView view)
      : file_(std::move(file)), view_(std::move(view)) {}

  MappedFile file_;
  SafetensorsView view_;
};

}  // namespace rcnn

#endif  // RCNN_BASE_SAFETENSORS_H_

// Writes safetensors files (see safetensors.h) atomically and reproducibly.
//
// The header comes first in the format, so all arrays are declared before the first
// byte. Their contents are then appended in pieces, so the file never has to fit in
// memory. The same arrays give the same bytes, whatever order they are declared in.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(SafetensorsWriter writer, SafetensorsWriter::Create(path, specs, {}));
//   for (const SafetensorsSpec& spec : writer.specs())
//     RCNN_RETURN_IF_ERROR(writer.Append(spec.name, bytes[spec.name]));
//   RCNN_RETURN_IF_ERROR(writer.Commit().status());

#ifndef RCNN_BASE_SAFETENSORS_WRITER_H_
#define RCNN_BASE_SAFETENSORS_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/safetensors.h"

namespace rcnn {

// Writes a file array by array. The file at the path is unchanged until Commit().
class SafetensorsWriter {
 public:
  // The first array starts at a multiple of `alignment` in the file, a multiple of 8.
  // kInvalidArgument if two arrays share a name, a name or a metadata string is
  // not UTF-8, a name is "__metadata__", or the header exceeds a limit of the reader. Also the
  // errors of SafetensorsByteSize and AtomicFile::Create.
  static absl::StatusOr<SafetensorsWriter> Create(const std::string& path,
                                                  std::vector<SafetensorsSpec> specs,
                                                  const SafetensorsMetadata& metadata,
                                                  size_t alignment = 8);

  // The order in which the arrays must be appended: larger elements first, so that
  // every array is aligned, then by name.
  const std::vector<SafetensorsSpec>& specs() const { return specs_; }

  // Appends the next bytes of array `name`. kFailedPrecondition if another array is
  // next or this one needs fewer bytes. No bytes at all are always fine.
  absl::Status Append(absl::string_view name, absl::string_view bytes);

  // kFailedPrecondition if bytes are missing; the file is then unchanged.
  absl::StatusOr<FileDigest> Commit();

 private:
  SafetensorsWriter(AtomicFile file, std::vector<SafetensorsSpec> specs,
                    std::vector<int64_t> sizes);
  void SkipComplete();

  AtomicFile file_;
  std::vector<SafetensorsSpec> specs_;
  std::vector<int64_t> missing_;  // bytes still to come, per spec
  size_t current_ = 0;            // first spec with bytes missing
};

// Writes arrays that are all in memory. `arrays` in any order.
absl::StatusOr<FileDigest> WriteSafetensors(const std::string& path,
                                            const std::vector<SafetensorsArray>& arrays,
                                            const SafetensorsMetadata& metadata);

}  // namespace rcnn

#endif  // RCNN_BASE_SAFETENSORS_WRITER_H_

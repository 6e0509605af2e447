// Writes a tar file (ustar) whose bytes depend on its members alone, and says where each lies.
//
// Members are regular files, mode 0644, of owner and group 0, dated to the epoch. The file
// appears under its name when it is complete (file_io.h). Written by libarchive.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(TarWriter tar, TarWriter::Create("a.tar"));
//   RCNN_ASSIGN_OR_RETURN(const int64_t offset, tar.Add("000000000.jpg", bytes));
//   RCNN_ASSIGN_OR_RETURN(const FileDigest digest, tar.Commit());

#ifndef RCNN_DATA_SHARDS_TAR_WRITER_H_
#define RCNN_DATA_SHARDS_TAR_WRITER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/file_io.h"

namespace rcnn::data {

class TarWriter {
 public:
  // The errors of AtomicFile::Create.
  static absl::StatusOr<TarWriter> Create(const std::string& path);

  TarWriter(TarWriter&&) noexcept;
  TarWriter& operator=(TarWriter&&) noexcept;
  // Discards the file unless Commit() was called.
  ~TarWriter();

  // Appends a member and returns the offset of its first byte in the file. kResourceExhausted
  // if the disk is full; kInvalidArgument, naming it, for a name that libarchive refuses (longer
  // than 100 bytes without a '/'). After an error the file cannot be continued.
  absl::StatusOr<int64_t> Add(const std::string& name, absl::string_view bytes);

  // Completes the file and returns its digest. Call it once, last.
  absl::StatusOr<FileDigest> Commit();

 private:
  struct State;

  explicit TarWriter(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_SHARDS_TAR_WRITER_H_

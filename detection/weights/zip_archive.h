// Strictly reads the records of a zip file in memory.
//
// For archives written by torch.save: records are stored without compression, so
// their sizes sum to at most the file size, and names are relative paths without
// "..". A compressed record can be listed but not read; any other deviation is an
// error for the whole archive. Checksums are verified. Uses libzip.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(ZipArchive archive, ZipArchive::Open(file.bytes()));
//   RCNN_ASSIGN_OR_RETURN(std::string pickle, archive.Read("archive/data.pkl"));

#ifndef RCNN_DETECTION_WEIGHTS_ZIP_ARCHIVE_H_
#define RCNN_DETECTION_WEIGHTS_ZIP_ARCHIVE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct zip;

namespace rcnn::detection::weights {

class ZipArchive {
 public:
  // Keeps pointing into `bytes`. kDataLoss or kInvalidArgument, naming the record,
  // when the archive is inconsistent or not as described above.
  static absl::StatusOr<ZipArchive> Open(absl::string_view bytes);

  bool Has(const std::string& name) const { return sizes_.count(name) > 0; }

  // Names of all records and their sizes in bytes, -1 for a compressed record.
  const std::map<std::string, int64_t>& sizes() const { return sizes_; }

  // The size of a record that can be read, at most that of the file. kNotFound if
  // the name is unknown, kInvalidArgument if the record is compressed.
  absl::StatusOr<int64_t> Size(const std::string& name) const;

  // Returns the errors of Size, and kDataLoss if the checksum is wrong.
  absl::StatusOr<std::string> Read(const std::string& name) const;

  // The same into `size` bytes at `data`, which must be the record's size. Not
  // thread-safe.
  absl::Status ReadInto(const std::string& name, void* data, int64_t size) const;

 private:
  struct Discard {
    void operator()(zip* archive) const;
  };

  absl::Status List(int64_t total_bytes);

  std::unique_ptr<zip, Discard> archive_;
  std::map<std::string, int64_t> sizes_;
};

}  // namespace rcnn::detection::weights

#endif  // RCNN_DETECTION_WEIGHTS_ZIP_ARCHIVE_H_

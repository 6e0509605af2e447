// The checksums of the lists of a split, so that a damaged list is noticed (split_lists.h).
//
// A list that has lost a name would be cut again: an image of the test could become one to train
// on. So a file beside the lists has a line for each of them, and at last its own checksum:
//
//   train.txt 1234 0a1b2c3d     name, size in bytes, CRC-32C
//   val.txt 210 89abcdef
//   checksum 7f3c0012
//
// A list that is about to be replaced has two lines, the old and the new, so that a kill in between
// leaves nothing that looks damaged.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const ListChecksums known, ListChecksums::Parse(text));
//   const bool intact = known.Allows("train.txt", Digest(list));

#ifndef RCNN_DATA_SOURCES_LIST_CHECKSUMS_H_
#define RCNN_DATA_SOURCES_LIST_CHECKSUMS_H_

#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/file_io.h"

namespace rcnn::data {

class ListChecksums {
 public:
  // kDataLoss if the text is not one that Text() has made.
  static absl::StatusOr<ListChecksums> Parse(absl::string_view text);

  std::string Text() const;

  // Allows a list of this name to have these contents too. A name has no spaces.
  void Add(absl::string_view name, const FileDigest& digest);
  void AddAll(const ListChecksums& other);

  bool Has(absl::string_view name) const;
  bool Allows(absl::string_view name, const FileDigest& digest) const;

  bool operator==(const ListChecksums& other) const { return lines_ == other.lines_; }

 private:
  std::set<std::string> lines_;  // "train.txt 1234 0a1b2c3d"
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_SOURCES_LIST_CHECKSUMS_H_

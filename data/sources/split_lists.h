// The lists of a split: which images train, select a checkpoint or test, by name, in the files of a
// directory.
//
//   train.txt  val.txt  test.txt   one name per line; train-1.txt, ... for further places
//   checksums.txt                  of the lists (list_checksums.h)
//   folder.txt                     the folder whose images they are
//
// A place is one of the datasets that a folder joins, each of which has lists of its own; 0 where
// there is one. Names are only added. How sides are chosen: data/split/plan_split.h; the split of a
// whole folder: folder_split.h.
//
// A list that is damaged or missing is an error, because its images would be new, and could come to
// another side. A new directory is renamed into place once it is complete. In an existing one the
// lists grow one by one, and checksums.txt allows the old and the new ones meanwhile: after an
// interruption an image in none of them is new at the next call.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(SplitLists lists, SplitLists::Read("runs/cells/split", "/data/cells"));
//   if (!lists.Find(0, "a.jpg")) {
//     RCNN_RETURN_IF_ERROR(lists.Add(SplitSide::kTrain, 0, "a.jpg"));
//   }
//   RCNN_RETURN_IF_ERROR(lists.Write());

#ifndef RCNN_DATA_SOURCES_SPLIT_LISTS_H_
#define RCNN_DATA_SOURCES_SPLIT_LISTS_H_

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/data/sources/list_checksums.h"
#include "rcnn/data/split/plan_split.h"

namespace rcnn::data {

// What SplitLists::Verify has found.
struct SplitVerification {
  // The absolute path of the directory, as in SplitLists::Path.
  std::string directory;
  // Whether there is anything: a missing or an empty directory has no lists.
  bool are_there = false;
  // That of folder.txt, if it can be read.
  std::optional<std::string> folder;
  // Files that were compared with a checksum: the lists and checksums.txt, if that is there.
  int64_t files = 0;
  // Why Read would fail: a sentence for each file, with its path and what to do.
  std::vector<std::string> problems;
};

class SplitLists {
 public:
  // Reads the lists; none if the directory is missing or empty. `folder`: an absolute path.
  //
  // kDataLoss for a list, or checksums.txt, that is damaged or missing; kFailedPrecondition for a
  // directory with the lists of another folder, or with files but no folder.txt, and for a file, or
  // a link without lists, in its place; kInvalidArgument for an image that two lists name, and the
  // errors of ImageList::Decode; also those of base/file_io.h.
  static absl::StatusOr<SplitLists> Read(const std::string& directory, const std::string& folder);

  // Checks the lists of whatever folder, as Read does, and does not end with the first problem. An
  // error if a file cannot be read now.
  static absl::StatusOr<SplitVerification> Verify(const std::string& directory);

  // Whether there were lists.
  bool were_there() const { return were_there_; }

  // The absolute path of the directory, or of that of the grown lists after Write.
  const std::string& directory() const { return directory_; }

  // The side of the list that named the image when it was read; nullopt for a new image.
  std::optional<SplitSide> Find(int64_t place, absl::string_view name) const;

  // Adds a new image to a list, in memory. kInvalidArgument, naming the folder, for a name that a
  // list cannot hold, such as one with a line break.
  absl::Status Add(SplitSide side, int64_t place, const std::string& name);

  // Names of a side in all places.
  int64_t Count(SplitSide side) const;

  // The places of which the side has names, ascending.
  std::vector<int64_t> Places(SplitSide side) const;

  // The path of a list.
  std::string Path(SplitSide side, int64_t place) const;

  // Writes all lists, durably; every side gets one for every place. `growth_directory`: "", or a
  // missing directory for the lists if there were some, which are then unchanged.
  // kFailedPrecondition if the lists are those that a link in the directory's place leads to: they
  // are read, but nothing is written there.
  absl::Status Write(const std::string& growth_directory = "");

  // Writes checksums.txt for the lists as they were read, unless it is there: they come from an
  // earlier version, or were edited, or a kill has left checksums of two versions. Nothing is
  // written where a link in the directory's place leads to.
  absl::Status RecordChecksums() const;

 private:
  SplitLists(std::string directory, std::string folder);

  absl::Status ReadAll();
  absl::Status VerifyAll(SplitVerification& found);
  absl::StatusOr<std::string> ReadFolder() const;
  absl::Status CheckReplaceable() const;
  absl::Status ReadChecksums();
  absl::StatusOr<bool> ReadList(SplitSide side, int64_t place);
  absl::Status Changed(const std::string& path, absl::string_view how) const;
  std::map<std::string, std::string> Texts() const;

  std::string directory_;
  std::string folder_;
  bool were_there_ = false;
  std::optional<ListChecksums> checksums_;  // as they were read
  ListChecksums found_;                     // of the lists as they were read
  // [side][place]
  std::array<std::map<int64_t, std::vector<std::string>>, kSplitSides> names_;
  // Of the images that the lists name, as they were read; by "PLACE:NAME".
  absl::flat_hash_map<std::string, SplitSide> sides_;
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_SOURCES_SPLIT_LISTS_H_

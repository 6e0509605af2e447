// The parts of a folder that a training run needs: train, val and test.
//
// Parts that the folder has are used unchanged. Missing ones are cut out of the training
// part: val, which selects a checkpoint, and test, which selects nothing. Images from one
// source stay on one side (data/split/image_groups.h); if the given parts share a source,
// that is reported as a leak (folder_leaks.h).
//
// The cut is kept as lists of names in a directory of the run (split_lists.h) and only added to
// when the folder grows. A list that is damaged or missing is an error, and nothing is cut. To use
// a list that was edited, delete checksums.txt.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const FolderSplit split,
//                         SplitFolder(folder, {.directory = "runs/cells/split"}));
//   split.FindPart("val")->config;
//   // ... paths { image_list: "/home/me/runs/cells/split/val.txt" }

#ifndef RCNN_DATA_SOURCES_FOLDER_SPLIT_H_
#define RCNN_DATA_SOURCES_FOLDER_SPLIT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/data/core/defect_report.h"
#include "rcnn/data/sources/open_folder.h"
#include "rcnn/data/split/image_hashes.h"
#include "rcnn/data/split/plan_split.h"

namespace rcnn::data {

struct FolderSplitOptions {
  // The directory of the lists, created if missing. Required.
  std::string directory;
  // Shares of the part that is cut, for each missing part; at most 5,000 images each.
  SplitShares shares = {.val = 0.1, .test = 0.15};
  HashOptions hashes = {};
  // Whether lists without checksums, of an earlier version or edited, get them.
  bool records_checksums = false;
  // "", or a missing directory for all lists if those in `directory` have to grow, which are then
  // unchanged.
  std::string growth_directory = {};
};

struct FolderSplit {
  // train, val and test, opened; each may be opened again by its config.
  std::vector<OpenedPart> parts;
  std::vector<std::string> classes;
  // Notices for the user, such as what was cut.
  std::vector<std::string> notices;
  // Images of one source on two sides, one text each: "train/a.jpg and test/b.jpg: equal
  // files".
  std::vector<std::string> leaks;
  // Defects of the part that was cut whose images are in no part; a notice lists the first.
  // The part that has the image reports the others.
  DefectReport defects;

  // nullptr if there is none.
  const OpenedPart* FindPart(absl::string_view name) const;
};

// The errors of SplitLists::Read, Add and Write, such as kDataLoss for a list that is damaged or
// missing; kInvalidArgument for a folder with parts, but none to train on, and for fewer images
// than parts; also the errors of HashImages and MakeDataset. The lists are read before images are.
absl::StatusOr<FolderSplit> SplitFolder(const OpenedFolder& folder,
                                        const FolderSplitOptions& options);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SOURCES_FOLDER_SPLIT_H_

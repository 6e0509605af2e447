// The files of a folder and of its subfolders, found without being opened.
//
// Symbolic links are followed: the user put them there. A folder that
// contains itself through a link is an error, and so, on request, is a link that leads
// out of the folder. Hidden files and folders (".git", "._a.xml", "__MACOSX") are
// skipped.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(std::vector<std::string> files, ListFiles("cells", {}));
//   // {"annotations/train.json", "train/a.jpg", "train/b.jpg"}

#ifndef RCNN_DATA_CORE_FOLDER_LISTING_H_
#define RCNN_DATA_CORE_FOLDER_LISTING_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rcnn::data {

struct ListingOptions {
  // False: a link whose target lies outside of the folder is kPermissionDenied.
  bool follow_links = true;
};

// Paths relative to `folder`, with '/', sorted. kNotFound for a path that does not exist or
// is not a folder, kPermissionDenied and kUnavailable for a folder or the target of a link that
// cannot be read now, kFailedPrecondition for one that contains itself or has more than 64 nested
// folders; each names the path. Hidden files and links that lead nowhere are left out, and so are
// run directories inside (experiment.textproto or plan_basis.textproto beside stages/ or split/),
// with their lists and contact sheets. `runs_with_images`, unless null: those of them that hold
// images which no run writes.
absl::StatusOr<std::vector<std::string>> ListFiles(
    const std::string& folder, const ListingOptions& options = {},
    std::vector<std::string>* runs_with_images = nullptr);

// "a/b" of "a/b/c.jpg", "" of "c.jpg".
absl::string_view ParentPart(absl::string_view path);
// "c.jpg" of "a/b/c.jpg".
absl::string_view FilePart(absl::string_view path);
// "c.d" of "a/b/c.d.jpg".
absl::string_view StemPart(absl::string_view path);
// "a/b", and "b" where one of them is empty.
std::string JoinParts(absl::string_view folder, absl::string_view file);
// Whether the path is the folder, or below it. Everything is in "", the whole folder.
bool IsInside(absl::string_view path, absl::string_view folder);
// "b/c.jpg" of "a/b/c.jpg" in "a"; the path itself in "", and "" of the folder itself. The path
// must be inside.
absl::string_view PathInside(absl::string_view path, absl::string_view folder);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_FOLDER_LISTING_H_

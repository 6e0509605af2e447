// The parts train, val and test in the names of folders and files, and the folders and lists that
// belong to one of them.
//
// Images of several parts often have the same names. Then the annotations of a part get those from
// the folder that is named after it.
//
// Example:
//   PartName("images/valid2017");                          // "val"
//   // "images/val", not "images/train"
//   RCNN_ASSIGN_OR_RETURN(const std::optional<std::string> images,
//                         FolderOfPartWith(contents, {"1.jpg"}, "val.json"));

#ifndef RCNN_DATA_SOURCES_PART_FOLDERS_H_
#define RCNN_DATA_SOURCES_PART_FOLDERS_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/data/sources/folder_contents.h"

namespace rcnn::data {

// "train", "val" or "test", if a folder or the file of this path is called so: "train2017",
// "valid", "images_test", "instances_val.json". The last one counts. "" if none is.
std::string PartName(absl::string_view path);

// Some 16 to 31 of the files, spread evenly, or all of fewer: enough to see which images a folder
// of annotations names.
std::vector<std::string> Spread(const std::vector<std::string>& files);

// FolderContents::FolderWith, but of several that suit equally the one that is named after the
// part that `near` is named after: images/val/1.jpg and not images/train/1.jpg for
// annotations/val.json. The same errors.
absl::StatusOr<std::optional<std::string>> FolderOfPartWith(const FolderContents& contents,
                                                            const std::vector<std::string>& names,
                                                            absl::string_view near);

// FolderContents::FindImages, with the same choice and errors.
absl::StatusOr<std::optional<std::string>> FindImagesOfPart(const FolderContents& contents,
                                                            const AnnotationFolder& annotations);

// The folder of the images of one part of `file`, which annotates all images of `names`. Where
// images of the same names lie in several folders: the one that is named after the part, if it has
// all of them. Otherwise the folder of the file if it has images, else "", the whole folder.
std::string ImagesOfPart(const FolderContents& contents, const std::string& file,
                         const std::string& part, const std::set<std::string>& names);

// The files train.txt, val.txt (or valid.txt), test.txt and trainval.txt of the folder, by
// part.
std::map<std::string, std::string> ListsIn(const FolderContents& contents,
                                           const std::string& folder);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SOURCES_PART_FOLDERS_H_

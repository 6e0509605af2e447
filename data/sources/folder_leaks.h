// Images of one source in different parts of a folder.
//
// Near-copies of an image that trains a network make its test too good. Which images come from one
// source: data/split/image_groups.h. folder_split.h uses what is found here to keep them on one
// side.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> leaks, FindLeaks(folder, {.threads = 4}));

#ifndef RCNN_DATA_SOURCES_FOLDER_LEAKS_H_
#define RCNN_DATA_SOURCES_FOLDER_LEAKS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/data/sources/open_folder.h"
#include "rcnn/data/split/image_groups.h"
#include "rcnn/data/split/image_hashes.h"

namespace rcnn::data {

// The images of all parts of a folder, one after the other.
struct FolderImages {
  std::vector<std::string> names;
  std::vector<std::string> paths;  // "" for an image in a shard
  // Which part of the folder, and which image of it.
  std::vector<std::pair<size_t, int64_t>> places;
};

FolderImages ListFolderImages(const OpenedFolder& folder);

// Groups images of one source, by their names, bytes and looks. Looks do not count if they connect
// more than a fifth of the images, and more than 20: frames of one camera. Adds what the user
// should know to `notices`. The errors of HashImages.
absl::StatusOr<ImageGroups> FindGroups(const FolderImages& images, const HashOptions& options,
                                       std::vector<std::string>& notices);

// Images whose source has an earlier image on another side, one text each: "train/a.jpg and
// test/b.jpg: equal files". `side` of each image: an index into `side_names`.
std::vector<std::string> CollectLeaks(const FolderImages& images, const ImageGroups& groups,
                                      const std::vector<int>& side,
                                      const std::vector<std::string>& side_names);

// The leaks between the parts that a folder has; none if it has one. The errors of HashImages.
absl::StatusOr<std::vector<std::string>> FindLeaks(const OpenedFolder& folder,
                                                   const HashOptions& options);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SOURCES_FOLDER_LEAKS_H_

#include "rcnn/data/sources/coco_layout.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/data/core/folder_listing.h"
#include "rcnn/data/core/image_file_name.h"
#include "rcnn/data/sources/part_folders.h"

namespace rcnn::data {
namespace {

// Files of COCO's own that hold other annotations than boxes of objects.
bool IsOtherCocoFile(absl::string_view file) {
  const absl::string_view name = FilePart(file);
  for (const absl::string_view other :
       {"person_keypoints", "captions", "panoptic", "stuff", "image_info"}) {
    if (absl::StartsWith(name, other)) return true;
  }
  return false;
}

// An image of the folder that has the file name of a path from elsewhere, and what to do about it.
std::string AdviceOnName(const FolderContents& contents, absl::string_view name) {
  const std::string path = absl::StrReplaceAll(name, {{"\\", "/"}});
  for (const std::string& image : contents.images()) {
    if (FilePart(image) != FilePart(path)) continue;
    return absl::StrCat("; if ", image, " is meant, write its file_name as \"", FilePart(image),
                        "\", relative to the folder of the images");
  }
  return "";
}

// Two files must not compete for one part.
absl::Status CheckOneFileEach(const std::string& folder, const std::vector<PartPlace>& places) {
  for (size_t i = 0; i < places.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (places[i].part != places[j].part) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          folder, ": both ", places[j].where, " and ", places[i].where, " could be ",
          places[i].part.empty() ? "the annotations" : absl::StrCat("the part ", places[i].part),
          "; remove one from the folder, or name it: --dataset=coco:", folder, "/", places[j].where,
          ":", folder, "/", places[j].config.paths().images()));
    }
  }
  return absl::OkStatus();
}

// The COCO files, without those of other annotations unless there is nothing else.
std::vector<std::string> ListCocoFiles(const FolderContents& contents) {
  std::vector<std::string> files;
  for (const auto& [file, images] : contents.coco_images()) files.push_back(file);
  const auto others = std::stable_partition(
      files.begin(), files.end(), [](const std::string& file) { return !IsOtherCocoFile(file); });
  if (others != files.begin()) files.erase(others, files.end());
  return files;
}

PartPlace MakePlace(const std::string& file, const std::string& images) {
  PartPlace place;
  place.part = PartName(file);
  place.where = file;
  place.config.mutable_coco();
  SetCommonFields(place.config);
  place.config.mutable_paths()->set_annotations(file);
  place.config.mutable_paths()->set_images(images);
  return place;
}

// A file whose images are not in the folder, by the first of them.
struct FileWithoutImages {
  std::string text;
  std::string advice;  // on the name of the image
};

absl::StatusOr<FileWithoutImages> DescribeWithoutImages(const FolderContents& contents,
                                                        const std::string& file,
                                                        const std::vector<std::string>& names) {
  const std::string name = names.empty() ? "no image" : names.front();
  const absl::Status status = NameInFolder(contents.folder(), name).status();
  if (IsUnreadableNow(status)) return status;
  return FileWithoutImages{
      absl::StrCat(file, " names ", name, status.ok() ? "" : ", a path that leaves the folder"),
      AdviceOnName(contents, name)};
}

}  // namespace

absl::StatusOr<std::vector<PartPlace>> FindCoco(const FolderContents& contents, Notices& notices) {
  std::vector<PartPlace> places;
  FileWithoutImages without;
  for (const std::string& file : ListCocoFiles(contents)) {
    const std::vector<std::string>& names = contents.coco_images().at(file);
    RCNN_ASSIGN_OR_RETURN(const std::optional<std::string> images,
                          FolderOfPartWith(contents, names, file));
    if (images) {
      places.push_back(MakePlace(file, *images));
      continue;
    }
    RCNN_ASSIGN_OR_RETURN(without, DescribeWithoutImages(contents, file, names));
    notices.push_back(
        absl::StrCat(without.text, ", and none of its images is in the folder, so it is not read"));
  }
  if (places.empty() && !without.text.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(contents.folder(), ": ", without.text,
                     "; neither that image nor the others are in the folder", without.advice));
  }
  RCNN_RETURN_IF_ERROR(CheckOneFileEach(contents.folder(), places));
  return places;
}

}  // namespace rcnn::data

#include "rcnn/data/sources/open_folder.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/concat_dataset.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/core/text_encoding.h"
#include "rcnn/data/sources/folder_conventions.h"
#include "rcnn/data/sources/make_dataset.h"

namespace rcnn::data {
namespace {

constexpr size_t kClassesShown = 20;

// Formats whose classes are the names that occur.
bool FindsClasses(const configs::DatasetConfig& config) {
  if (config.has_concat()) return FindsClasses(config.concat().parts(0));
  return config.has_voc() || config.has_labelme() || config.has_cvat() || config.has_csv();
}

void SetClasses(const std::vector<std::string>& names, configs::DatasetConfig& config) {
  ForEachSource(config, [&](configs::DatasetConfig& source) {
    source.mutable_classes()->Assign(names.begin(), names.end());
  });
}

// Parts of a concat that differ in their classes cannot be opened together.
absl::StatusOr<std::vector<std::string>> ReadClasses(const configs::DatasetConfig& config,
                                                     const DatasetOptions& options) {
  std::set<std::string> names;
  if (!config.has_concat()) {
    RCNN_ASSIGN_OR_RETURN(const std::unique_ptr<Dataset> dataset, MakeDataset(config, options));
    return dataset->classes().names;
  }
  for (const configs::DatasetConfig& part : config.concat().parts()) {
    RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> found, ReadClasses(part, options));
    names.insert(found.begin(), found.end());
  }
  return std::vector<std::string>(names.begin(), names.end());
}

// Gives the parts whose files have the same classes in another order that of the first part.
absl::Status AlignClasses(const DatasetOptions& options, OpenedFolder& folder) {
  for (OpenedPart& part : folder.parts) {
    const std::vector<std::string>& names = part.images->classes().names;
    if (!part.config.has_coco() || names == folder.classes) continue;
    if (names.size() != folder.classes.size() ||
        !std::is_permutation(names.begin(), names.end(), folder.classes.begin())) {
      continue;
    }
    folder.notices.push_back(absl::StrCat("the part ", part.name, " has the classes in the order ",
                                          NameList(names, kClassesShown), "; that of ",
                                          folder.parts.front().name, " is used"));
    SetClasses(folder.classes, part.config);
    RCNN_ASSIGN_OR_RETURN(part.images, MakeDataset(part.config, options));
  }
  return absl::OkStatus();
}

// Opens all parts with the union of their classes, if classes are found in the files. A
// part that is already open with these classes is not opened again.
absl::Status OpenParts(const DatasetOptions& options, OpenedFolder& folder) {
  const bool finds = FindsClasses(folder.parts.front().config);
  std::set<std::string> names;
  for (OpenedPart& part : folder.parts) {
    if (finds && part.config.has_concat()) {
      RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> found,
                            ReadClasses(part.config, options));
      names.insert(found.begin(), found.end());
      continue;
    }
    RCNN_ASSIGN_OR_RETURN(part.images, MakeDataset(part.config, options));
    const std::vector<std::string>& found = part.images->classes().names;
    names.insert(found.begin(), found.end());
    if (folder.classes.empty()) folder.classes = found;
  }
  if (!finds) return AlignClasses(options, folder);
  // Labels that a file lists keep its order, as long as all parts have the same.
  const bool equal = std::all_of(folder.parts.begin(), folder.parts.end(), [&](const auto& part) {
    return part.images != nullptr && part.images->classes().names == folder.classes;
  });
  if (!equal) folder.classes.assign(names.begin(), names.end());
  for (OpenedPart& part : folder.parts) {
    SetClasses(folder.classes, part.config);
    if (equal) continue;
    RCNN_ASSIGN_OR_RETURN(part.images, MakeDataset(part.config, options));
  }
  return absl::OkStatus();
}

absl::Status CheckClasses(const OpenedFolder& folder) {
  for (const OpenedPart& part : folder.parts) {
    if (part.images->classes().names == folder.classes) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        folder.folder, ": the part ", part.name, " has the classes ",
        absl::StrJoin(part.images->classes().names, ", "), ", but ", folder.parts.front().name,
        " has ", absl::StrJoin(folder.classes, ", "), "; export all parts with the same classes"));
  }
  return absl::OkStatus();
}

// Coordinates of VOC that the folder as a whole shows.
absl::Status ShareCoordinates(OpenedFolder& folder) {
  std::vector<configs::DatasetConfig*> configs;
  for (OpenedPart& part : folder.parts) configs.push_back(&part.config);
  RCNN_ASSIGN_OR_RETURN(std::string notice, ShareVocCoordinates(configs));
  if (!notice.empty()) folder.notices.push_back(std::move(notice));
  return absl::OkStatus();
}

// Writes what the sizes of all parts say into every config, and opens parts again that had
// decided differently by themselves. YOLO has no sizes.
absl::Status ShareExifOrientation(const DatasetOptions& options, OpenedFolder& folder) {
  if (folder.format == "yolo") return absl::OkStatus();
  std::vector<const Dataset*> parts;
  for (const OpenedPart& part : folder.parts) parts.push_back(part.images.get());
  const std::optional<configs::ExifOrientation> shared = SharedExifOrientation(parts);
  if (!shared) return absl::OkStatus();
  for (OpenedPart& part : folder.parts) {
    ForEachSource(part.config,
                  [&](configs::DatasetConfig& source) { source.set_exif_orientation(*shared); });
    if (FollowsExifOrientation(*part.images, *shared)) continue;
    RCNN_ASSIGN_OR_RETURN(part.images, MakeDataset(part.config, options));
  }
  folder.notices.push_back(
      absl::StrCat("images with an EXIF orientation are ",
                   *shared == configs::APPLIED ? "turned when they are decoded" : "taken as stored",
                   ", as the annotated sizes of quarter turns say"));
  return absl::OkStatus();
}

// Where the objects of a config come from, for a message.
std::string GetSource(const configs::DatasetConfig& config) {
  return config.paths().has_image_list() ? config.paths().image_list()
                                         : config.paths().annotations();
}

// An image in two places of one part would be trained on twice, each time without the objects
// of the other.
absl::Status CheckAnnotatedOnce(const OpenedFolder& folder) {
  for (const OpenedPart& part : folder.parts) {
    if (!part.config.has_concat()) continue;
    const auto& places = part.config.concat().parts();
    absl::flat_hash_map<std::string, int> first;
    for (int64_t i = 0; i < part.images->size(); ++i) {
      const ImageInfo info = part.images->image(i);
      const int place = static_cast<int>(info.id / ConcatDataset::kIdStep);
      const auto [found, is_new] = first.try_emplace(info.path, place);
      if (is_new || found->second == place) continue;
      return absl::InvalidArgumentError(
          absl::StrCat(info.path, " is annotated in both ", GetSource(places[found->second]),
                       " and ", GetSource(places[place]), "; move one of them out of the folder"));
    }
  }
  return absl::OkStatus();
}

// Images that no annotation names are not used if that means that they are unlabelled; in
// YOLO they are images without objects.
void NoticeUnannotated(int64_t images_in_folder, OpenedFolder& folder) {
  absl::flat_hash_set<std::string> used;
  int64_t dropped = 0;
  for (const OpenedPart& part : folder.parts) {
    for (int64_t i = 0; i < part.images->size(); ++i) used.insert(part.images->image(i).path);
    dropped += part.images->defects().count(DefectAction::kImageDropped);
  }
  const int64_t rest = images_in_folder - static_cast<int64_t>(used.size()) - dropped;
  if (rest <= 0) return;
  folder.notices.push_back(absl::StrCat(rest, rest == 1 ? " image" : " images",
                                        " in the folder without an annotation, or in no list, ",
                                        rest == 1 ? "is" : "are", " not used"));
}

void NoticeEncoding(OpenedFolder& folder) {
  const auto bad =
      std::find_if(folder.classes.begin(), folder.classes.end(),
                   [](const std::string& name) { return !DecodeText(name, "UTF-8").ok(); });
  if (bad == folder.classes.end()) return;
  folder.notices.push_back(absl::StrCat("the class name \"", *bad,
                                        "\" is not UTF-8, so reports cannot show it; convert the "
                                        "file that names it from its encoding, for example with "
                                        "iconv -f ENCODING -t UTF-8"));
}

}  // namespace

const OpenedPart* OpenedFolder::FindPart(absl::string_view name) const {
  for (const OpenedPart& part : parts) {
    if (part.name == name) return &part;
  }
  return nullptr;
}

absl::StatusOr<OpenedFolder> OpenFolder(const std::string& folder, const FolderOptions& options) {
  RCNN_ASSIGN_OR_RETURN(RecognizedFolder recognized, RecognizeFolder(folder, options));
  OpenedFolder opened;
  opened.folder = std::move(recognized.folder);
  opened.format = std::move(recognized.format);
  opened.notices = std::move(recognized.notices);
  opened.follow_links = options.follow_links;
  for (FolderPart& part : recognized.parts) {
    opened.parts.push_back({std::move(part.name), std::move(part.config), nullptr});
  }
  const DatasetOptions dataset_options = {.follow_links = options.follow_links};
  RCNN_RETURN_IF_ERROR(ShareCoordinates(opened));
  RCNN_RETURN_IF_ERROR(OpenParts(dataset_options, opened));
  RCNN_RETURN_IF_ERROR(CheckClasses(opened));
  if (options.exif_orientation.empty()) {
    RCNN_RETURN_IF_ERROR(ShareExifOrientation(dataset_options, opened));
  }
  RCNN_RETURN_IF_ERROR(CheckAnnotatedOnce(opened));
  NoticeUnannotated(recognized.num_images, opened);
  NoticeEncoding(opened);
  return opened;
}

std::string Describe(const OpenedFolder& folder) {
  std::string text =
      absl::StrCat(Printable(folder.folder), ": ", folder.format, ", ", folder.classes.size(),
                   folder.classes.size() == 1 ? " class (" : " classes (",
                   NameList(folder.classes, kClassesShown), ")\n");
  for (const OpenedPart& part : folder.parts) {
    int64_t objects = 0;
    for (int64_t i = 0; i < part.images->size(); ++i) {
      objects += static_cast<int64_t>(part.images->objects(i).size());
    }
    const int64_t images = part.images->size();
    const int64_t defects = part.images->defects().total();
    absl::StrAppendFormat(&text, "  %-6s %7d %-6s %8d %-7s %6d %s\n", part.name, images,
                          images == 1 ? "image" : "images", objects,
                          objects == 1 ? "object" : "objects", defects,
                          defects == 1 ? "defect" : "defects");
  }
  for (const std::string& notice : folder.notices) {
    absl::StrAppend(&text, "  ", PrintableMessage(notice), "\n");
  }
  return text;
}

}  // namespace rcnn::data

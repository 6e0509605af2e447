#include "rcnn/data/sources/yolo_layout.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/data/core/folder_listing.h"
#include "rcnn/data/core/image_list.h"
#include "rcnn/data/sources/annotation_pairs.h"
#include "rcnn/data/sources/part_folders.h"
#include "rcnn/data/sources/yolo_folder_names.h"
#include "rcnn/data/yolo/yolo_names.h"

namespace rcnn::data {
namespace {

// images/train -> labels/train: the format replaces the last "images" of the path.
std::string LabelsBeside(const std::string& images) {
  std::vector<std::string> parts = absl::StrSplit(images, '/');
  for (size_t i = parts.size(); i-- > 0;) {
    if (parts[i] != "images") continue;
    parts[i] = "labels";
    return absl::StrJoin(parts, "/");
  }
  return images;
}

class YoloFinder {
 public:
  YoloFinder(const FolderContents& contents, Notices& notices)
      : contents_(contents), notices_(notices) {}

  absl::StatusOr<std::vector<PartPlace>> Find() {
    RCNN_ASSIGN_OR_RETURN(pairs_, FindPairs(contents_, AnnotationKind::kYolo, "YOLO",
                                            /*widen=*/true, notices_));
    if (pairs_.empty()) return std::vector<PartPlace>();
    RCNN_ASSIGN_OR_RETURN(const auto yaml, FindYaml(contents_, notices_));
    if (yaml) {
      RCNN_RETURN_IF_ERROR(TakeYaml(yaml->file, yaml->yaml));
    } else {
      RCNN_RETURN_IF_ERROR(TakeNameLists());
    }
    std::vector<PartPlace> places;
    if (yaml) {
      RCNN_ASSIGN_OR_RETURN(places, PlacesOfYaml(*yaml));
    }
    if (places.empty()) {
      RCNN_ASSIGN_OR_RETURN(places, PlacesOfLists());
    }
    if (!places.empty()) return places;
    RCNN_RETURN_IF_ERROR(CheckApart(contents_, pairs_));
    for (const AnnotationPair& pair : pairs_) places.push_back(Place(pair, pair.part()));
    return places;
  }

 private:
  void SetNames(const std::vector<std::string>& names) {
    config_.mutable_yolo()->mutable_name()->Assign(names.begin(), names.end());
  }

  absl::Status TakeYaml(const std::string& file, const YoloYaml& yaml) {
    SetNames(yaml.names);
    const absl::StatusOr<NameList> list = FindNameLists(contents_);
    if (IsUnreadableNow(list.status())) return list.status();
    if (list.ok() && !list->names.empty() && list->names != yaml.names) {
      notices_.push_back(absl::StrCat(file, " and ", list->file,
                                      " name different classes; those of ", file, " are used"));
    }
    if (yaml.keypoints) {
      config_.mutable_yolo()->set_keypoints(true);
      notices_.push_back("keypoints of the YOLO labels are not read, only their boxes");
    }
    return absl::OkStatus();
  }

  absl::Status TakeNameLists() {
    RCNN_ASSIGN_OR_RETURN(const NameList list, FindNameLists(contents_));
    SetNames(list.names);
    if (!list.names.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(
        contents_.folder(), ": YOLO labels in ", pairs_.front().Where(),
        " without class names; add data.yaml with names: [...], or classes.txt with one name a "
        "line, in the order of their numbers",
        notices_.empty() ? "" : absl::StrCat("\n", absl::StrJoin(notices_, "\n"))));
  }

  PartPlace Place(const AnnotationPair& pair, const std::string& part) const {
    PartPlace place;
    place.part = part;
    place.where = pair.Where();
    place.config = config_;
    SetCommonFields(place.config);
    place.config.mutable_paths()->set_images(pair.images);
    place.config.mutable_paths()->set_annotations(pair.annotations);
    return place;
  }

  // The folder of labels for a folder of images; of several, the one that the format prescribes.
  // nullopt if labels lie neither there nor for an outer folder.
  std::optional<AnnotationPair> FindPair(const std::string& images) const {
    const std::string usual = LabelsBeside(images);
    for (const AnnotationPair& pair : pairs_) {
      if (pair.images == images && pair.annotations == usual) return pair;
    }
    for (const AnnotationPair& pair : pairs_) {
      if (pair.images == images) return pair;
    }
    for (const AnnotationPair& pair : pairs_) {
      // The same subfolder of the annotations that belong to the outer folder.
      if (IsInside(images, pair.images)) {
        return AnnotationPair{JoinParts(pair.annotations, PathInside(images, pair.images)), images,
                              pair.files};
      }
    }
    return std::nullopt;
  }

  // The folders that hold the images of a place of data.yaml, each with its labels: the place
  // itself, or those inside it, train/images of "train". `named`: all places; those inside this
  // one keep their own images. Empty if they leave none.
  std::vector<AnnotationPair> FindPairsInside(const std::string& place,
                                              const std::set<std::string>& named) const {
    if (const auto pair = FindPair(place)) return {*pair};
    bool has_inner = false;
    std::vector<AnnotationPair> inner;
    for (const AnnotationPair& pair : pairs_) {
      if (!IsInside(pair.images, place)) continue;
      has_inner = true;
      const bool is_named = std::any_of(named.begin(), named.end(), [&](const std::string& other) {
        return other != place && IsInside(other, place) && IsInside(pair.images, other);
      });
      if (!is_named) inner.push_back(pair);
    }
    if (has_inner) return inner;
    return {{LabelsBeside(place), place, 0}};
  }

  // Of all parts.
  std::set<std::string> NamedPlaces(const FolderYaml& yaml) const {
    std::set<std::string> named;
    for (const auto& [part, texts] : yaml.yaml.parts) {
      for (const std::string& text : texts) {
        if (const auto found = PlaceInside(contents_, yaml, text)) named.insert(*found);
      }
    }
    return named;
  }

  absl::StatusOr<std::vector<PartPlace>> PlacesOfYaml(const FolderYaml& yaml) {
    std::vector<PartPlace> places;
    const std::set<std::string> named = NamedPlaces(yaml);
    std::set<std::string> seen;
    for (const auto& [part, texts] : yaml.yaml.parts) {
      for (const std::string& text : texts) {
        const std::optional<std::string> found = PlaceInside(contents_, yaml, text);
        if (!found) {
          notices_.push_back(absl::StrCat("data.yaml names ", text, " as the part ", part,
                                          ", which is not in the folder"));
          continue;
        }
        if (!seen.insert(*found).second) {
          notices_.push_back(
              absl::StrCat("data.yaml names ", text, " as the part ", part,
                           ", but it already belongs to a part; it is left out here"));
          continue;
        }
        if (contents_.HasImages(*found)) {
          for (const AnnotationPair& pair : FindPairsInside(*found, named)) {
            places.push_back(Place(pair, part));
            places.back().where = pair.images;
          }
        } else {
          RCNN_RETURN_IF_ERROR(AddList(*found, part, places));
        }
      }
    }
    return places;
  }

  // A list may name images of every folder.
  absl::Status AddList(const std::string& file, const std::string& part,
                       std::vector<PartPlace>& places) {
    const absl::StatusOr<ImageList> list =
        ImageList::Read(absl::StrCat(contents_.folder(), "/", file));
    if (IsUnreadableNow(list.status())) return list.status();
    if (!list.ok()) {
      notices_.push_back(
          absl::StrCat("the part ", part, " is left out: ", list.status().message()));
      return absl::OkStatus();
    }
    const size_t places_before = places.size();
    std::vector<ListedImage> listed;
    for (const AnnotationPair& pair : pairs_) {
      const size_t listed_before = listed.size();
      AddListed(*list, pair, listed);
      if (listed.size() == listed_before) continue;
      PartPlace place = Place(pair, part);
      place.config.mutable_paths()->set_image_list(file);
      place.where = file;
      places.push_back(std::move(place));
    }
    if (places.size() == places_before) {
      notices_.push_back(absl::StrCat("the part ", part, " is left out: ", file, " names ",
                                      list->names().front(),
                                      ", and none of its images is in the folder"));
    }
    return CheckToldApart(file, listed);
  }

  // An image that a list selects in its folder of images.
  struct ListedImage {
    // Relative to the folder of images, and to the whole folder.
    std::string name;
    std::string path;
    // The list names it by its path, and not only by its name.
    bool by_path = false;
  };

  void AddListed(const ImageList& list, const AnnotationPair& pair,
                 std::vector<ListedImage>& listed) const {
    for (const std::string& image : contents_.images()) {
      if (!IsInside(image, pair.images)) continue;
      std::string name(PathInside(image, pair.images));
      if (list.Contains(name)) listed.push_back({std::move(name), image, list.Contains(image)});
    }
  }

  // Images are selected by their names in their own folder. That would take one that the list
  // does not mean if another of this name is named by its path.
  absl::Status CheckToldApart(const std::string& file,
                              const std::vector<ListedImage>& listed) const {
    absl::flat_hash_map<absl::string_view, const ListedImage*> meant;
    for (const ListedImage& image : listed) {
      if (image.by_path) meant.emplace(FilePart(image.name), &image);
    }
    for (const ListedImage& image : listed) {
      const auto found = meant.find(FilePart(image.name));
      if (image.by_path || found == meant.end()) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          contents_.folder(), ": ", file, " names ", found->second->path, ", and ", image.path,
          " has the same name in its folder, so that a list does not tell them apart; rename one, "
          "or put the parts into folders train, val and test"));
    }
    return absl::OkStatus();
  }

  // train.txt, val.txt and test.txt of darknet's tools.
  absl::StatusOr<std::vector<PartPlace>> PlacesOfLists() {
    std::vector<PartPlace> places;
    std::set<std::string> parts;
    for (const AnnotationPair& pair : pairs_) parts.insert(pair.part());
    if (parts.size() > 1) return places;
    for (const AnnotationFolder& folder : contents_.annotations(AnnotationKind::kImageList)) {
      for (const std::string& file : folder.files) {
        const std::string part = PartName(FilePart(file));
        if (!part.empty()) RCNN_RETURN_IF_ERROR(AddList(file, part, places));
      }
    }
    return places;
  }

  const FolderContents& contents_;
  Notices& notices_;
  std::vector<AnnotationPair> pairs_;
  configs::DatasetConfig config_;
};

}  // namespace

absl::StatusOr<std::vector<PartPlace>> FindYolo(const FolderContents& contents, Notices& notices) {
  return YoloFinder(contents, notices).Find();
}

}  // namespace rcnn::data

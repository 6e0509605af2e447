#include "rcnn/data/sources/folder_layouts.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/data/core/folder_listing.h"
#include "rcnn/data/core/image_file_name.h"
#include "rcnn/data/core/image_list.h"
#include "rcnn/data/core/image_names.h"
#include "rcnn/data/csv/csv_annotation.h"
#include "rcnn/data/csv/csv_reader.h"
#include "rcnn/data/cvat/cvat_annotation.h"
#include "rcnn/data/labelme/labelme_annotation.h"
#include "rcnn/data/shards/shard_index.h"
#include "rcnn/data/sources/file_kind.h"
#include "rcnn/data/voc/voc_annotation.h"
#include "rcnn/data/yolo/yolo_names.h"

namespace rcnn::data {
namespace {

using Places = absl::StatusOr<std::vector<PartPlace>>;

constexpr int64_t kMaxXmlBytes = int64_t{2} << 30;
// Files that are read to see which images they name.
constexpr size_t kNamesRead = 16;

// A folder of annotations and the folder of their images.
struct Pair {
  std::string annotations;
  std::string images;
  int64_t files = 0;

  // The part after which one of the two is named.
  std::string part() const {
    const std::string part = PartName(annotations);
    return part.empty() ? PartName(images) : part;
  }
};

bool IsInside(absl::string_view path, absl::string_view folder) {
  return folder.empty() || path == folder || absl::StartsWith(path, absl::StrCat(folder, "/"));
}

std::string Where(const Pair& pair) {
  return absl::StrCat(pair.annotations.empty() ? "the folder itself" : pair.annotations, " (",
                      pair.files, pair.files == 1 ? " file)" : " files)");
}

// Folders with images, and those around them, that are named after the part.
std::set<std::string> FoldersOfPart(const FolderContents& contents, const std::string& part) {
  std::set<std::string> folders;
  absl::flat_hash_set<std::string> seen;
  if (part.empty()) return folders;
  for (const std::string& image : contents.images()) {
    for (absl::string_view path = ParentPart(image); !path.empty(); path = ParentPart(path)) {
      if (!seen.emplace(path).second) break;
      if (PartName(path) == part) folders.emplace(path);
    }
  }
  return folders;
}

// FolderContents::FolderWith, but of several that suit equally the one that is named after the
// part that `near` is named after: images/val/1.jpg and not images/train/1.jpg for
// annotations/val.json.
std::optional<std::string> FolderWith(const FolderContents& contents,
                                      const std::vector<std::string>& names,
                                      absl::string_view near) {
  std::optional<std::string> found = contents.FolderWith(names, near);
  const std::string part = PartName(near);
  if (!found || part.empty() || PartName(*found) == part) return found;
  for (const std::string& folder : FoldersOfPart(contents, part)) {
    if (contents.FolderWith(names, folder) == folder) return folder;
  }
  return found;
}

// At most kNamesRead of them, spread evenly.
std::vector<std::string> Spread(const std::vector<std::string>& files) {
  std::vector<std::string> some;
  const size_t step = std::max<size_t>(1, files.size() / kNamesRead);
  for (size_t i = 0; i < files.size(); i += step) some.push_back(files[i]);
  return some;
}

// FolderContents::FindImages, with the same choice.
std::optional<std::string> FindImages(const FolderContents& contents,
                                      const AnnotationFolder& annotations) {
  std::optional<std::string> found = contents.FindImages(annotations);
  const std::string part = PartName(annotations.folder);
  if (!found || part.empty() || PartName(*found) == part) return found;
  std::vector<std::string> names = Spread(annotations.files);
  for (std::string& name : names) name = std::string(StemPart(name));
  const std::optional<std::string> named = FolderWith(contents, names, annotations.folder);
  return named && PartName(*named) == part ? named : found;
}

// "images/train/day" and "labels/train/day" become "images/train" and "labels/train":
// folders inside a part are read with it. The name of a part is never removed.
void WidenPair(Pair& pair) {
  const std::string part = pair.part();
  for (;;) {
    if (pair.annotations.empty() || pair.images.empty() ||
        FilePart(pair.annotations) != FilePart(pair.images)) {
      return;
    }
    Pair wider = pair;
    wider.annotations = std::string(ParentPart(pair.annotations));
    wider.images = std::string(ParentPart(pair.images));
    if (wider.part() != part) return;
    pair = wider;
  }
}

// YOLO's reader starts from the images, so it does not see such files, whose images may be in a
// format that is not read, such as .heic. The other readers report theirs as defects.
absl::Status NoticeLabelsWithoutImages(const FolderContents& contents,
                                       const AnnotationFolder& folder, Notices& notices) {
  std::vector<std::string> labels;
  for (std::string& file : contents.WithoutImages(folder)) {
    RCNN_ASSIGN_OR_RETURN(const FileKind kind,
                          ReadFileKind(absl::StrCat(contents.folder(), "/", file)));
    if (kind.kind == AnnotationKind::kYolo) labels.push_back(std::move(file));
  }
  if (labels.empty()) return absl::OkStatus();
  notices.push_back(absl::StrCat(
      labels.size(), labels.size() == 1 ? " label file has" : " label files have",
      " no image of the same name and a format that is read, the first ", labels.front()));
  return absl::OkStatus();
}

// The image that a file of VOC or LabelMe names inside, without its folders; "" if it names none.
// An error says that the file cannot be read now.
absl::StatusOr<std::string> ReadImageName(const std::string& path, AnnotationKind kind) {
  const absl::StatusOr<std::string> bytes = ReadFile(path, {.max_bytes = kMaxXmlBytes});
  if (IsUnreadableNow(bytes.status())) return bytes.status();
  if (!bytes.ok()) return std::string();
  std::string name;
  if (kind == AnnotationKind::kVoc) {
    if (const auto annotation = ParseVocAnnotation(*bytes); annotation.ok()) {
      name = annotation->file_name;
    }
  } else if (kind == AnnotationKind::kLabelMe) {
    if (const auto annotation = ParseLabelMe(*bytes); annotation.ok()) {
      name = annotation->image_path;
    }
  }
  return std::string(FilePart(absl::StrReplaceAll(name, {{"\\", "/"}})));
}

// The folder of the images that some of the files name inside.
absl::StatusOr<std::optional<std::string>> FindNamedImages(const FolderContents& contents,
                                                           const AnnotationFolder& folder) {
  std::vector<std::string> names;
  for (const std::string& file : Spread(folder.files)) {
    RCNN_ASSIGN_OR_RETURN(std::string name,
                          ReadImageName(absl::StrCat(contents.folder(), "/", file), folder.kind));
    if (!name.empty()) names.push_back(std::move(name));
  }
  return FolderWith(contents, names, folder.folder);
}

// Pairs of all folders of a kind, each once. An error if no file has images, and a notice for
// each folder without.
absl::StatusOr<std::vector<Pair>> FindPairs(const FolderContents& contents, AnnotationKind kind,
                                            absl::string_view format, bool widen,
                                            Notices& notices) {
  std::map<std::pair<std::string, std::string>, Pair> pairs;
  std::string lonely;
  for (const AnnotationFolder& folder : contents.annotations(kind)) {
    std::optional<std::string> images = FindImages(contents, folder);
    if (!images) {
      RCNN_ASSIGN_OR_RETURN(images, FindNamedImages(contents, folder));
    }
    if (!images) {
      lonely = folder.files.front();
      notices.push_back(
          absl::StrCat(Where({folder.folder, "", static_cast<int64_t>(folder.files.size())}),
                       " looks like ", format,
                       ", but no image has the name of one of its files, so it is not "
                       "read"));
      continue;
    }
    if (kind == AnnotationKind::kYolo) {
      RCNN_RETURN_IF_ERROR(NoticeLabelsWithoutImages(contents, folder, notices));
    }
    Pair pair = {folder.folder, *images, static_cast<int64_t>(folder.files.size())};
    if (widen) WidenPair(pair);
    const auto [place, is_new] = pairs.try_emplace({pair.annotations, pair.images}, pair);
    if (!is_new) place->second.files += pair.files;
  }
  std::vector<Pair> found;
  for (auto& [key, pair] : pairs) found.push_back(std::move(pair));
  if (found.empty() && !lonely.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(contents.folder(), ": ", lonely, " is a ", format, " annotation",
                     ", but no image in the folder is named like this or another one"));
  }
  return found;
}

// Pairs inside another's folder of images would be read twice.
absl::Status CheckApart(const FolderContents& contents, const std::vector<Pair>& pairs) {
  for (const Pair& outer : pairs) {
    for (const Pair& inner : pairs) {
      if (inner.images == outer.images || !IsInside(inner.images, outer.images)) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          contents.folder(), ": annotated images lie both in ",
          outer.images.empty() ? "the folder itself" : outer.images, " and in ", inner.images,
          " inside it; move them into separate folders, such as train and val"));
    }
  }
  return absl::OkStatus();
}

// The files train.txt, val.txt (or valid.txt), test.txt and trainval.txt of the folder, by
// part.
std::map<std::string, std::string> ListsIn(const FolderContents& contents,
                                           const std::string& folder) {
  std::map<std::string, std::string> lists;
  for (const char* name : {"train", "val", "valid", "test", "trainval"}) {
    const std::string file = JoinParts(folder, absl::StrCat(name, ".txt"));
    if (std::binary_search(contents.files().begin(), contents.files().end(), file)) {
      lists[absl::string_view(name) == "valid" ? "val" : name] = file;
    }
  }
  return lists;
}

// Sets the fields that all formats share.
void SetCommonFields(configs::DatasetConfig& config) {
  // Tools round to whole pixels, and fractions to a few digits.
  config.set_overrun_tolerance_px(1);
  config.set_exif_orientation(configs::FROM_ANNOTATED_SIZES);
}

configs::DatasetConfig MakeVocConfig(const std::string& root, const Pair& pair) {
  configs::DatasetConfig config;
  config.mutable_voc()->set_coordinates(configs::RECOGNISED);
  SetCommonFields(config);
  config.mutable_paths()->set_folder(root);
  config.mutable_paths()->set_annotations(pair.annotations);
  config.mutable_paths()->set_images(pair.images);
  return config;
}

}  // namespace

Places FindVoc(const FolderContents& contents, Notices& notices) {
  RCNN_ASSIGN_OR_RETURN(const std::vector<Pair> pairs,
                        FindPairs(contents, AnnotationKind::kVoc, "VOC", /*widen=*/false, notices));
  std::vector<PartPlace> places;
  // Lists name the images of inner folders too: "night/0".
  std::vector<std::string> listed_folders;
  for (const Pair& pair : pairs) {
    const bool is_listed =
        std::any_of(listed_folders.begin(), listed_folders.end(),
                    [&](const auto& folder) { return IsInside(pair.annotations, folder); });
    if (is_listed) continue;
    const std::string root(ParentPart(pair.annotations));
    const configs::DatasetConfig config = MakeVocConfig(root, pair);
    std::map<std::string, std::string> lists = ListsIn(contents, JoinParts(root, "ImageSets/Main"));
    if (lists.count("train") > 0 && lists.count("val") > 0) lists.erase("trainval");
    if (lists.count("trainval") > 0) lists.erase("train"), lists.erase("val");
    for (const auto& [name, file] : lists) {
      configs::DatasetConfig listed = config;
      listed.mutable_voc()->set_split(std::string(StemPart(file)));
      places.push_back({name == "trainval" ? "train" : name, std::move(listed), file});
    }
    if (lists.empty()) {
      places.push_back({pair.part(), config, Where(pair)});
    } else if (!pair.annotations.empty()) {
      listed_folders.push_back(pair.annotations);
    }
  }
  return places;
}

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

}  // namespace

Places FindCoco(const FolderContents& contents, Notices& notices) {
  std::vector<std::string> files;
  for (const auto& [file, images] : contents.coco_images()) files.push_back(file);
  const auto others = std::stable_partition(
      files.begin(), files.end(), [](const std::string& file) { return !IsOtherCocoFile(file); });
  if (others != files.begin()) files.erase(others, files.end());
  std::vector<PartPlace> places;
  std::string without, advice;
  for (const std::string& file : files) {
    const std::vector<std::string>& names = contents.coco_images().at(file);
    const std::optional<std::string> images = FolderWith(contents, names, file);
    if (!images) {
      const std::string name = names.empty() ? "no image" : names.front();
      const bool leaves = !NameInFolder(contents.folder(), name).ok();
      without =
          absl::StrCat(file, " names ", name, leaves ? ", a path that leaves the folder" : "");
      advice = AdviceOnName(contents, name);
      notices.push_back(absl::StrCat(
          without, ", and none of its images is in the folder, so it is ", "not read"));
      continue;
    }
    PartPlace place;
    place.part = PartName(file);
    place.where = file;
    place.config.mutable_coco();
    SetCommonFields(place.config);
    place.config.mutable_paths()->set_annotations(file);
    place.config.mutable_paths()->set_images(*images);
    places.push_back(std::move(place));
  }
  if (places.empty() && !without.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(contents.folder(), ": ", without,
                     "; neither that image nor the others are in the folder", advice));
  }
  for (size_t i = 0; i < places.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (places[i].part != places[j].part) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          contents.folder(), ": both ", places[j].where, " and ", places[i].where, " could be ",
          places[i].part.empty() ? "the annotations" : absl::StrCat("the part ", places[i].part),
          "; remove one from the folder, or name it: --dataset=coco:", contents.folder(), "/",
          places[j].where, ":", contents.folder(), "/", places[j].config.paths().images()));
    }
  }
  return places;
}

namespace {

bool IsDataYaml(absl::string_view file) {
  return absl::EqualsIgnoreCase(FilePart(file), "data.yaml");
}

// The yaml that describes the folder: data.yaml before others, the outer before the inner.
absl::StatusOr<std::optional<std::pair<std::string, YoloYaml>>> FindYaml(
    const FolderContents& contents, Notices& notices) {
  std::vector<std::string> files;
  for (const std::string& file : contents.files()) {
    if (absl::EndsWithIgnoreCase(file, ".yaml") || absl::EndsWithIgnoreCase(file, ".yml")) {
      files.push_back(file);
    }
  }
  const auto rank = [](const std::string& file) {
    return std::tuple(std::count(file.begin(), file.end(), '/'), !IsDataYaml(file), file);
  };
  std::sort(files.begin(), files.end(),
            [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
  for (const std::string& file : files) {
    RCNN_ASSIGN_OR_RETURN(const std::string text,
                          ReadFile(absl::StrCat(contents.folder(), "/", file)));
    absl::StatusOr<YoloYaml> yaml = ParseYoloYaml(text);
    if (yaml.ok()) return std::pair(file, *std::move(yaml));
    if (IsDataYaml(file)) {
      return Annotate(yaml.status(), absl::StrCat(contents.folder(), "/", file));
    }
    // Others may belong to another program.
    if (absl::StrContains(text, "names")) {
      notices.push_back(absl::StrCat(file, " is not read: ", yaml.status().message()));
    }
  }
  return std::optional<std::pair<std::string, YoloYaml>>();
}

bool IsNameList(absl::string_view file) {
  const std::string name = absl::AsciiStrToLower(FilePart(file));
  return name == "classes.txt" || name == "_darknet.labels" || absl::EndsWith(name, ".names");
}

struct NameList {
  std::string file;
  std::vector<std::string> names;
};

// Names of the classes in plain lists; kInvalidArgument if two lists differ.
absl::StatusOr<NameList> FindNameLists(const FolderContents& contents) {
  NameList list;
  for (const std::string& file : contents.files()) {
    if (!IsNameList(file)) continue;
    RCNN_ASSIGN_OR_RETURN(std::vector<std::string> found,
                          ReadYoloNameList(absl::StrCat(contents.folder(), "/", file)));
    if (found.empty()) continue;
    if (!list.names.empty() && found != list.names) {
      return absl::InvalidArgumentError(absl::StrCat(contents.folder(), ": ", list.file, " and ",
                                                     file, " name different classes; keep one"));
    }
    list = {file, std::move(found)};
  }
  return list;
}

// Finds a path of data.yaml in the folder. Tools write paths of their own machine, and
// Roboflow writes "../train/images" for a folder beside the file: leading parts are removed
// until the rest exists.
std::optional<std::string> PlaceInside(const FolderContents& contents,
                                       const std::string& yaml_folder, const YoloYaml& yaml,
                                       const std::string& place) {
  std::string path = absl::StrReplaceAll(place, {{"\\", "/"}});
  absl::string_view rest = path;
  while (absl::ConsumePrefix(&rest, "./") || absl::ConsumePrefix(&rest, "../") ||
         absl::ConsumePrefix(&rest, "/")) {
  }
  rest = absl::StripSuffix(rest, "/");
  for (;;) {
    for (const std::string& start : {JoinParts(yaml_folder, yaml.path), yaml_folder}) {
      const std::string candidate = JoinParts(start, rest);
      const bool is_list =
          std::binary_search(contents.files().begin(), contents.files().end(), candidate);
      if (is_list || contents.HasImages(candidate)) return candidate;
    }
    const size_t slash = rest.find('/');
    if (slash == absl::string_view::npos) return std::nullopt;
    rest.remove_prefix(slash + 1);
  }
}

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

  Places Find() {
    RCNN_ASSIGN_OR_RETURN(pairs_, FindPairs(contents_, AnnotationKind::kYolo, "YOLO",
                                            /*widen=*/true, notices_));
    if (pairs_.empty()) return std::vector<PartPlace>();
    RCNN_ASSIGN_OR_RETURN(const auto yaml, FindYaml(contents_, notices_));
    if (yaml) {
      RCNN_RETURN_IF_ERROR(TakeYaml(yaml->first, yaml->second));
    } else {
      RCNN_RETURN_IF_ERROR(TakeNameLists());
    }
    std::vector<PartPlace> places;
    if (yaml) {
      RCNN_ASSIGN_OR_RETURN(places,
                            PlacesOfYaml(std::string(ParentPart(yaml->first)), yaml->second));
    }
    if (places.empty()) {
      RCNN_ASSIGN_OR_RETURN(places, PlacesOfLists());
    }
    if (!places.empty()) return places;
    RCNN_RETURN_IF_ERROR(CheckApart(contents_, pairs_));
    for (const Pair& pair : pairs_) places.push_back(Place(pair, pair.part()));
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
        contents_.folder(), ": YOLO labels in ", Where(pairs_.front()),
        " without class names; add data.yaml with names: [...], or classes.txt with one name a "
        "line, in the order of their numbers",
        notices_.empty() ? "" : absl::StrCat("\n", absl::StrJoin(notices_, "\n"))));
  }

  PartPlace Place(const Pair& pair, const std::string& part) const {
    PartPlace place;
    place.part = part;
    place.where = Where(pair);
    place.config = config_;
    SetCommonFields(place.config);
    place.config.mutable_paths()->set_images(pair.images);
    place.config.mutable_paths()->set_annotations(pair.annotations);
    return place;
  }

  // The folder of labels for a folder of images; of several, the one that the format prescribes.
  Pair FindPair(const std::string& images) const {
    const std::string usual = LabelsBeside(images);
    for (const Pair& pair : pairs_) {
      if (pair.images == images && pair.annotations == usual) return pair;
    }
    for (const Pair& pair : pairs_) {
      if (pair.images == images) return pair;
    }
    for (const Pair& pair : pairs_) {
      // The same subfolder of the annotations that belong to the outer folder.
      if (IsInside(images, pair.images)) {
        const std::string inner = images.substr(pair.images.empty() ? 0 : pair.images.size() + 1);
        return {JoinParts(pair.annotations, inner), images, pair.files};
      }
    }
    return {usual, images, 0};
  }

  Places PlacesOfYaml(const std::string& folder, const YoloYaml& yaml) {
    std::vector<PartPlace> places;
    std::set<std::string> seen;
    for (const auto& [part, texts] : yaml.parts) {
      for (const std::string& text : texts) {
        const std::optional<std::string> found = PlaceInside(contents_, folder, yaml, text);
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
          places.push_back(Place(FindPair(*found), part));
          places.back().where = *found;
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
    for (const Pair& pair : pairs_) {
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

  void AddListed(const ImageList& list, const Pair& pair, std::vector<ListedImage>& listed) const {
    for (const std::string& image : contents_.images()) {
      if (!IsInside(image, pair.images)) continue;
      std::string name = image.substr(pair.images.empty() ? 0 : pair.images.size() + 1);
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
  Places PlacesOfLists() {
    std::vector<PartPlace> places;
    std::set<std::string> parts;
    for (const Pair& pair : pairs_) parts.insert(pair.part());
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
  std::vector<Pair> pairs_;
  configs::DatasetConfig config_;
};

}  // namespace

Places FindYolo(const FolderContents& contents, Notices& notices) {
  return YoloFinder(contents, notices).Find();
}

Places FindLabelMe(const FolderContents& contents, Notices& notices) {
  RCNN_ASSIGN_OR_RETURN(
      const std::vector<Pair> pairs,
      FindPairs(contents, AnnotationKind::kLabelMe, "LabelMe", /*widen=*/true, notices));
  RCNN_RETURN_IF_ERROR(CheckApart(contents, pairs));
  std::vector<PartPlace> places;
  for (const Pair& pair : pairs) {
    PartPlace place;
    place.part = pair.part();
    place.where = Where(pair);
    place.config.mutable_labelme();
    SetCommonFields(place.config);
    place.config.mutable_paths()->set_annotations(pair.annotations);
    place.config.mutable_paths()->set_images(pair.images);
    places.push_back(std::move(place));
  }
  return places;
}

namespace {

// The folder of the file if it has images, else "", the whole folder.
std::string ImagesNear(const FolderContents& contents, const std::string& file) {
  const std::string folder(ParentPart(file));
  return contents.HasImages(folder) ? folder : "";
}

// Whether the folder has more files with the names of these images than there are names.
bool HasNamesTwice(const FolderContents& contents, const std::set<std::string>& names) {
  absl::flat_hash_set<absl::string_view> files;
  for (const std::string& name : names) files.insert(FilePart(name));
  const auto named =
      std::count_if(contents.images().begin(), contents.images().end(),
                    [&](const std::string& image) { return files.contains(FilePart(image)); });
  return named > static_cast<std::ptrdiff_t>(files.size());
}

// The folder of the images of one part of a file. Where images of the same names lie in several
// folders: the one that is named after the part, if it has all of them.
std::string ImagesOfPart(const FolderContents& contents, const std::string& file,
                         const std::string& part, const std::set<std::string>& names) {
  if (HasNamesTwice(contents, names)) {
    for (const std::string& folder : FoldersOfPart(contents, part)) {
      const bool all = std::all_of(names.begin(), names.end(), [&](const std::string& name) {
        return std::binary_search(contents.images().begin(), contents.images().end(),
                                  JoinParts(folder, name));
      });
      if (all) return folder;
    }
  }
  return ImagesNear(contents, file);
}

}  // namespace

Places FindCvat(const FolderContents& contents, Notices& /*notices*/) {
  std::vector<PartPlace> places;
  for (const AnnotationFolder& folder : contents.annotations(AnnotationKind::kCvat)) {
    for (const std::string& file : folder.files) {
      const std::string path = absl::StrCat(contents.folder(), "/", file);
      RCNN_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path, {.max_bytes = kMaxXmlBytes}));
      RCNN_ASSIGN_OR_RETURN(const CvatAnnotation annotation, ParseCvat(bytes), path);
      std::map<std::string, std::set<std::string>> subsets;
      for (const CvatImage& image : annotation.images) subsets[image.subset].insert(image.name);
      PartPlace place;
      place.where = file;
      place.config.mutable_cvat();
      SetCommonFields(place.config);
      place.config.mutable_paths()->set_annotations(file);
      const bool parts = std::any_of(subsets.begin(), subsets.end(), [](const auto& subset) {
        return !PartName(subset.first).empty();
      });
      if (!parts) subsets = {{"", {}}};
      for (const auto& [subset, names] : subsets) {
        PartPlace part = place;
        if (parts) part.config.mutable_cvat()->set_subset(subset);
        part.part = parts ? PartName(subset) : PartName(file);
        part.config.mutable_paths()->set_images(ImagesOfPart(contents, file, part.part, names));
        places.push_back(std::move(part));
      }
    }
  }
  return places;
}

namespace {

// The values in the column of parts, each once, if it tells parts apart; otherwise none.
// kInvalidArgument for a value that names no part beside others that do, and for an image with two.
absl::StatusOr<std::vector<std::string>> CsvParts(const CsvAnnotation& annotation) {
  std::map<std::string, int64_t> rows;  // the first of each value
  absl::flat_hash_map<absl::string_view, const CsvRow*> images;
  std::string twice;
  for (const CsvRow& row : annotation.rows) {
    rows.emplace(row.part, row.row);
    const CsvRow& first = *images.emplace(row.file_name, &row).first->second;
    if (twice.empty() && first.part != row.part) {
      twice = absl::StrCat("row ", row.row, ": ", row.file_name, " is in ", row.part,
                           ", and by row ", first.row, " in ", first.part);
    }
  }
  const auto is_part = [](const auto& value) { return !PartName(value.first).empty(); };
  if (std::none_of(rows.begin(), rows.end(), is_part)) return std::vector<std::string>();
  const auto other = std::find_if_not(rows.begin(), rows.end(), is_part);
  const std::string problem = other == rows.end() ? twice
                                                  : absl::StrCat("row ", other->second, ": \"",
                                                                 other->first, "\" is not a part");
  if (!problem.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("column ", annotation.part_column, ": ", problem,
                     "; write train, val or test into each row, the same for all rows of an "
                     "image, or give the column another name"));
  }
  std::vector<std::string> parts;
  for (const auto& [part, row] : rows) parts.push_back(part);
  return parts;
}

// The images of the rows with this value in the column of parts; of all rows for "".
std::set<std::string> NamesInCsv(const CsvAnnotation& annotation, absl::string_view part) {
  std::set<std::string> names;
  for (const CsvRow& row : annotation.rows) {
    if (part.empty() || row.part == part) names.insert(row.file_name);
  }
  return names;
}

}  // namespace

Places FindCsv(const FolderContents& contents, Notices& /*notices*/) {
  std::vector<PartPlace> places;
  for (const AnnotationFolder& folder : contents.annotations(AnnotationKind::kCsv)) {
    for (const std::string& file : folder.files) {
      const std::string path = absl::StrCat(contents.folder(), "/", file);
      RCNN_ASSIGN_OR_RETURN(const CsvAnnotation annotation, ReadCsvAnnotation(path));
      RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> parts, CsvParts(annotation), path);
      PartPlace place;
      place.part = PartName(file);
      place.where = file;
      place.config.mutable_csv();
      SetCommonFields(place.config);
      place.config.mutable_paths()->set_annotations(file);
      std::vector<std::string> values = parts;
      if (parts.empty()) values.emplace_back();
      for (const std::string& value : values) {
        if (!parts.empty()) {
          place.config.mutable_csv()->set_part(value);
          place.part = PartName(value);
        }
        place.config.mutable_paths()->set_images(
            ImagesOfPart(contents, file, place.part, NamesInCsv(annotation, value)));
        places.push_back(place);
      }
    }
  }
  return places;
}

Places FindShards(const FolderContents& contents, Notices& /*notices*/) {
  std::vector<PartPlace> places;
  for (const std::string& file : contents.files()) {
    if (!absl::EndsWithIgnoreCase(file, kShardIndexExtension)) continue;
    PartPlace place;
    place.part = PartName(file);
    place.where = file;
    place.config.mutable_shards();
    place.config.mutable_paths()->set_annotations(file);
    place.config.mutable_paths()->set_images(std::string(ParentPart(file)));
    places.push_back(std::move(place));
  }
  return places;
}

}  // namespace rcnn::data

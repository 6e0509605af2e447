#include "rcnn/data/sources/recognize_folder.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "rcnn/base/absolute_path.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/folder_listing.h"
#include "rcnn/data/sources/coco_layout.h"
#include "rcnn/data/sources/folder_contents.h"
#include "rcnn/data/sources/labelme_layout.h"
#include "rcnn/data/sources/one_file_layouts.h"
#include "rcnn/data/sources/part_place.h"
#include "rcnn/data/sources/voc_layout.h"
#include "rcnn/data/sources/yolo_layout.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

constexpr char kLookedFor[] =
    "what was looked for:\n"
    "  voc      .xml files with <annotation>, beside the images or in a folder of their own\n"
    "  coco     .json files with \"images\", \"annotations\" and \"categories\"\n"
    "  yolo     .txt files named like the images, and data.yaml, classes.txt or obj.names\n"
    "  labelme  .json files with \"shapes\", one for each image\n"
    "  cvat     an .xml file with <annotations> and <image>\n"
    "  csv      a .csv file of filename,width,height,class,xmin,ymin,xmax,ymax\n"
    "  shards   an index NAME.shards.jsonl\n"
    "images are .jpg, .png, .bmp, .webp, .gif or .tif files";

using Finder = absl::StatusOr<std::vector<PartPlace>> (*)(const FolderContents&, Notices&);

constexpr std::pair<absl::string_view, Finder> kFinders[] = {
    {"voc", FindVoc},   {"coco", FindCoco}, {"yolo", FindYolo},    {"labelme", FindLabelMe},
    {"cvat", FindCvat}, {"csv", FindCsv},   {"shards", FindShards}};

constexpr size_t kExtensionsShown = 8;

// "3 .jpg, 2 .txt"; of many extensions those with the most files, then
// "70 other kinds".
std::string CountExtensions(const std::vector<std::string>& files) {
  std::map<std::string, int64_t> counts;
  for (const std::string& file : files) {
    const absl::string_view name = FilePart(file);
    const size_t dot = name.rfind('.');
    ++counts[dot == absl::string_view::npos ? "without extension"
                                            : absl::AsciiStrToLower(name.substr(dot))];
  }
  std::vector<std::pair<std::string, int64_t>> shown(counts.begin(), counts.end());
  const size_t left_out = std::max(shown.size(), kExtensionsShown) - kExtensionsShown;
  if (left_out > 1) {
    std::stable_sort(shown.begin(), shown.end(),
                     [](const auto& a, const auto& b) { return a.second > b.second; });
    shown.resize(kExtensionsShown);
  }
  std::vector<std::string> texts;
  for (const auto& [extension, count] : shown) {
    texts.push_back(absl::StrCat(count, " ", extension));
  }
  if (left_out > 1) texts.push_back(absl::StrCat(left_out, " other kinds"));
  return absl::StrJoin(texts, ", ");
}

// Whether there are label files, and they are all empty.
bool HasOnlyEmptyText(const FolderContents& contents) {
  bool found = false;
  for (const std::string& file : contents.files()) {
    if (!absl::EndsWithIgnoreCase(file, ".txt") || IsNamesFile(file)) continue;
    std::error_code error;
    if (fs::file_size(absl::StrCat(contents.folder(), "/", file), error) > 0 || error) return false;
    found = true;
  }
  return found;
}

// What a folder without annotations looks like, beyond its annotation files.
std::string OtherLooks(const FolderContents& contents) {
  if (HasOnlyEmptyText(contents)) return "YOLO with nothing but empty label files, without objects";
  for (const std::string& file : contents.files()) {
    if (absl::StrContains(file, ".tfrecord")) return "TFRecord files";
    if (absl::EndsWith(file, ".parquet")) return "Parquet files";
    if (absl::EndsWith(file, ".zip")) return "an archive that must be unpacked first";
    if (absl::StrContains(file, "SegmentationClass/")) return "segmentation masks";
  }
  std::map<std::string, int64_t> folders;
  for (const std::string& image : contents.images()) ++folders[std::string(ParentPart(image))];
  if (folders.size() > 1 && folders.count("") == 0) {
    return "images sorted into folders by class, without boxes";
  }
  return "";
}

absl::Status NothingFound(const FolderContents& contents) {
  const std::string& folder = contents.folder();
  if (contents.files().empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        folder,
        ": the folder is empty; put images and their annotations into it, or name another\n",
        kLookedFor));
  }
  std::string looks;
  for (const auto& [obstacle, file] : contents.obstacles()) {
    absl::StrAppend(&looks, "\n  ", file, " ", obstacle);
  }
  for (const std::string& notice : contents.notices()) absl::StrAppend(&looks, "\n  ", notice);
  if (looks.empty()) {
    const std::string other = OtherLooks(contents);
    if (!other.empty()) looks = absl::StrCat("\n  it looks like ", other);
  }
  const bool no_images = contents.images().empty();
  return absl::InvalidArgumentError(absl::StrCat(
      folder, no_images ? ": no images" : ": no annotations that can be read", " among ",
      contents.files().size(), contents.files().size() == 1 ? " file (" : " files (",
      CountExtensions(contents.files()), "); ",
      no_images
          ? "put the images beside their annotations, or name the folder that has both"
          : "export annotations in one of the formats below, or name the folder that has both",
      looks, "\n", kLookedFor));
}

struct Reading {
  std::string format;
  std::vector<PartPlace> places;
  Notices notices;
};

absl::Status TwoReadings(const std::string& folder, const std::vector<Reading>& readings) {
  std::vector<std::string> texts;
  std::vector<std::string> flags;
  for (const Reading& reading : readings) {
    texts.push_back(absl::StrCat(reading.format, " (", reading.places.front().where, ")"));
    flags.push_back(absl::StrCat("--data_format=", reading.format, " or --dataset=", reading.format,
                                 ":", folder));
  }
  return absl::InvalidArgumentError(absl::StrCat(folder, ": can be read as ",
                                                 absl::StrJoin(texts, " and as "),
                                                 "; choose one: ", absl::StrJoin(flags, "; ")));
}

absl::StatusOr<Reading> ChooseReading(const FolderContents& contents,
                                      const FolderOptions& options) {
  std::vector<Reading> readings;
  absl::Status first_error = absl::OkStatus();
  for (const auto& [format, find] : kFinders) {
    if (!options.format.empty() && options.format != format) continue;
    // Images of all other formats are files.
    if (contents.images().empty() && format != "shards") continue;
    Reading reading;
    reading.format = std::string(format);
    absl::StatusOr<std::vector<PartPlace>> places = find(contents, reading.notices);
    if (!places.ok()) {
      if (first_error.ok()) first_error = places.status();
      continue;
    }
    if (places->empty()) continue;
    reading.places = *std::move(places);
    readings.push_back(std::move(reading));
  }
  if (readings.size() > 1) return TwoReadings(contents.folder(), readings);
  // An error of one format beside annotations of another must be reported.
  RCNN_RETURN_IF_ERROR(first_error);
  if (readings.empty()) return NothingFound(contents);
  for (const auto& [obstacle, file] : contents.obstacles()) {
    readings.front().notices.push_back(absl::StrCat(file, " ", obstacle));
  }
  for (const std::string& notice : contents.notices()) readings.front().notices.push_back(notice);
  return std::move(readings.front());
}

// Paths of the config, which start at the folder, made absolute.
void MakeAbsolute(const std::string& folder, configs::DatasetConfig& config) {
  configs::DatasetPaths& paths = *config.mutable_paths();
  const auto join = [&](const std::string& path) { return JoinParts(folder, path); };
  paths.set_folder(join(paths.folder()));
  paths.set_annotations(join(paths.annotations()));
  paths.set_images(join(paths.images()));
  if (paths.has_image_list()) paths.set_image_list(join(paths.image_list()));
}

// Places of one part, as one config.
configs::DatasetConfig Join(const std::vector<PartPlace>& places) {
  if (places.size() == 1) return places.front().config;
  configs::DatasetConfig config;
  for (const PartPlace& place : places) *config.mutable_concat()->add_parts() = place.config;
  return config;
}

absl::Status SetBoxUnits(const std::string& units, std::vector<PartPlace>& places) {
  if (units.empty()) return absl::OkStatus();
  if (units != "pixels" && units != "fractions") {
    return absl::InvalidArgumentError(
        absl::StrCat("--box_units: \"", units, "\" is neither pixels nor fractions"));
  }
  for (PartPlace& place : places) {
    place.config.set_box_units(units == "pixels" ? configs::PIXELS : configs::FRACTIONS);
  }
  return absl::OkStatus();
}

absl::Status SetExifOrientation(const std::string& orientation, std::vector<PartPlace>& places) {
  if (orientation.empty()) return absl::OkStatus();
  if (orientation != "applied" && orientation != "not_applied") {
    return absl::InvalidArgumentError(absl::StrCat("--exif_orientation: \"", orientation,
                                                   "\" is neither applied nor not_applied"));
  }
  for (PartPlace& place : places) {
    place.config.set_exif_orientation(orientation == "applied" ? configs::APPLIED
                                                               : configs::NOT_APPLIED);
  }
  return absl::OkStatus();
}

RecognizedFolder Assemble(const std::string& folder, Reading reading) {
  RecognizedFolder recognized;
  recognized.folder = folder;
  recognized.format = reading.format;
  recognized.notices = std::move(reading.notices);
  std::map<std::string, std::vector<PartPlace>> parts;
  for (PartPlace& place : reading.places) {
    MakeAbsolute(folder, place.config);
    parts[place.part].push_back(std::move(place));
  }
  const bool named = parts.size() > 1 || parts.count("") == 0;
  if (named && parts.count("") > 0) {
    for (PartPlace& place : parts[""]) {
      recognized.notices.push_back(absl::StrCat(
          place.where, " has no part name, unlike its neighbours, and is used for training"));
      parts["train"].push_back(std::move(place));
    }
    parts.erase("");
  }
  for (const char* name : {"train", "val", "test", ""}) {
    if (parts.count(name) == 0) continue;
    recognized.parts.push_back({named ? name : "all", Join(parts[name])});
  }
  return recognized;
}

}  // namespace

const FolderPart* RecognizedFolder::FindPart(absl::string_view name) const {
  for (const FolderPart& part : parts) {
    if (part.name == name) return &part;
  }
  return nullptr;
}

absl::StatusOr<RecognizedFolder> RecognizeFolder(const std::string& folder,
                                                 const FolderOptions& options) {
  if (!options.format.empty() && std::find(std::begin(kFolderFormats), std::end(kFolderFormats),
                                           options.format) == std::end(kFolderFormats)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", options.format, "\" is not a format: ", absl::StrJoin(kFolderFormats, ", ")));
  }
  RCNN_ASSIGN_OR_RETURN(std::string absolute, AbsolutePath(folder));
  absolute = fs::path(absolute).lexically_normal().string();
  while (absolute.size() > 1 && absolute.back() == '/') absolute.pop_back();
  RCNN_ASSIGN_OR_RETURN(const FolderContents contents,
                        FolderContents::Read(absolute, {.follow_links = options.follow_links}));
  RCNN_ASSIGN_OR_RETURN(Reading reading, ChooseReading(contents, options));
  RCNN_RETURN_IF_ERROR(SetBoxUnits(options.box_units, reading.places));
  RCNN_RETURN_IF_ERROR(SetExifOrientation(options.exif_orientation, reading.places));
  RecognizedFolder recognized = Assemble(absolute, std::move(reading));
  recognized.num_images = static_cast<int64_t>(contents.images().size());
  return recognized;
}

}  // namespace rcnn::data

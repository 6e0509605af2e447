#include "rcnn/data/sources/dataset_flag.h"

#include <algorithm>
#include <filesystem>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/path_length.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/base/temporary_directory.h"
#include "rcnn/configs/textproto.h"
#include "rcnn/data/shards/shard_index.h"
#include "rcnn/data/sources/folder_split.h"
#include "rcnn/data/sources/recognize_folder.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxConfigBytes = int64_t{1} << 20;

absl::Status NotOfForm(absl::string_view form) {
  return absl::InvalidArgumentError(absl::StrCat("not of the form ", form));
}

configs::DatasetConfig VocIn(const std::string& folder) {
  configs::DatasetConfig config;
  config.mutable_voc();
  config.mutable_paths()->set_folder(folder);
  return config;
}

configs::DatasetConfig MakeCocoConfig(const std::string& annotations) {
  configs::DatasetConfig config;
  config.mutable_coco();
  config.mutable_paths()->set_annotations(annotations);
  return config;
}

configs::DatasetConfig MakeShardsConfig(const std::string& index) {
  configs::DatasetConfig config;
  config.mutable_shards();
  config.mutable_paths()->set_annotations(index);
  return config;
}

absl::StatusOr<configs::DatasetConfig> ParseVoc(absl::string_view flag) {
  const std::vector<std::string> parts = absl::StrSplit(flag, ':');
  if (parts.size() < 2 || parts.size() > 3) return NotOfForm("voc:FOLDER[:SPLIT]");
  configs::DatasetConfig config = VocIn(parts[1]);
  if (parts.size() > 2) config.mutable_voc()->set_split(parts[2]);
  return config;
}

absl::StatusOr<configs::DatasetConfig> ParseCoco(absl::string_view flag) {
  const std::vector<std::string> parts = absl::StrSplit(flag, ':');
  if (parts.size() < 2 || parts.size() > 3 || parts[1].empty()) {
    return NotOfForm("coco:INSTANCES.json[:IMAGES]");
  }
  configs::DatasetConfig config = MakeCocoConfig(parts[1]);
  if (parts.size() > 2) config.mutable_paths()->set_images(parts[2]);
  return config;
}

absl::StatusOr<configs::DatasetConfig> ParseShapes(absl::string_view flag) {
  const std::vector<absl::string_view> parts = absl::StrSplit(flag, ':');
  if (parts.size() > 2) return NotOfForm("shapes[:FIELD=VALUE,...]");
  const absl::string_view fields = parts.size() > 1 ? parts[1] : "";
  // Has the length of the typed text, so that columns in errors refer to the flag.
  const std::string text = absl::StrReplaceAll(fields, {{"=", ":"}, {",", " "}});
  return ParseDatasetConfig(absl::StrCat("shapes{", text, "}"), "shapes");
}

// All images of the folder. VOC's split lists may omit some, so they are ignored.
configs::DatasetConfig MakeWholeConfig(const OpenedFolder& folder) {
  configs::DatasetConfig first = folder.parts.front().config;
  if (folder.parts.size() == 1) return first;
  configs::DatasetConfig concat;
  bool one_folder = true;
  first.mutable_voc()->clear_split();
  for (const OpenedPart& part : folder.parts) {
    configs::DatasetConfig plain = part.config;
    one_folder = one_folder && plain.voc().has_split();
    plain.mutable_voc()->clear_split();
    one_folder = one_folder && plain.SerializeAsString() == first.SerializeAsString();
    *concat.mutable_concat()->add_parts() = part.config;
  }
  return one_folder ? first : concat;
}

// The part of a split, as a dataset that no longer needs the lists.
absl::StatusOr<std::unique_ptr<Dataset>> OpenCutPart(const OpenedFolder& folder,
                                                     const DatasetFlagOptions& options) {
  if (options.part != "train" && options.part != "val" && options.part != "test") {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", options.part, "\" is not one of train, val, test, all"));
  }
  const TemporaryDirectory temporary("rcnn_split");
  RCNN_RETURN_IF_ERROR(temporary.status());
  FolderSplitOptions split_options;
  const std::string elsewhere = temporary.path() + "/split";
  split_options.directory = options.split_directory.empty() ? elsewhere : options.split_directory;
  // Lists of a run grow under its lock alone.
  if (!options.split_directory.empty()) split_options.growth_directory = elsewhere;
  split_options.hashes.cache_file = HashCacheFile(folder.folder);
  split_options.hashes.threads = static_cast<int>(std::thread::hardware_concurrency());
  RCNN_ASSIGN_OR_RETURN(const FolderSplit split, SplitFolder(folder, split_options));
  const OpenedPart* const part = split.FindPart(options.part);
  if (part != nullptr) return MakeDataset(part->config, {.follow_links = options.follow_links});
  return absl::InvalidArgumentError(
      absl::StrCat("the split of the folder has no part ", options.part));
}

// The config of a part, or of all images for ""; nullopt for a part that the folder does not
// have.
std::optional<configs::DatasetConfig> FindConfig(const OpenedFolder& folder,
                                                 const std::string& name) {
  if (name.empty()) return MakeWholeConfig(folder);
  const OpenedPart* const part = folder.FindPart(name);
  if (part == nullptr) return std::nullopt;
  return part->config;
}

absl::StatusOr<std::unique_ptr<Dataset>> OpenFolderPart(const OpenedFolder& folder,
                                                        const DatasetFlagOptions& options) {
  if (const auto config = FindConfig(folder, options.part)) {
    return MakeDataset(*config, {.follow_links = options.follow_links});
  }
  return OpenCutPart(folder, options);
}

// The open part; null if it has to be cut out, or joined from several parts.
std::shared_ptr<const Dataset> FindOpened(const OpenedFolder& folder, const std::string& name) {
  const OpenedPart* part = folder.FindPart(name);
  if (name.empty() && folder.parts.size() == 1) part = &folder.parts.front();
  return part == nullptr ? nullptr : part->images;
}

// The part in a flag FORMAT:FOLDER:PART takes precedence over the one in the options.
absl::StatusOr<DatasetFlagOptions> TakePart(const std::string& flag, DatasetFlagOptions options) {
  const std::vector<std::string> parts = absl::StrSplit(flag, ':');
  if (parts.size() == 3) {
    RCNN_ASSIGN_OR_RETURN(const fs::file_type type, TargetType(flag));
    if (type == fs::file_type::not_found) options.part = parts[2];
  }
  if (options.part == "all") options.part.clear();
  return options;
}

// Other datasets have these options in their config, and would ignore them.
absl::Status CheckFolderOptions(const DatasetFlagOptions& options) {
  const char* const name = !options.box_units.empty()          ? "box_units"
                           : !options.exif_orientation.empty() ? "exif_orientation"
                                                               : nullptr;
  if (name == nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "--", name, " applies only to a folder whose format is recognised; for this dataset write ",
      "the field ", name, " into a file with its DatasetConfig, and name that file"));
}

absl::Status NoSuchDataset() {
  return absl::NotFoundError(absl::StrCat("no such file or folder; expected ", kDatasetFlagHelp,
                                          ", as in voc:VOCdevkit/VOC2007:test, "
                                          "coco:instances_val2017.json:val2017 or "
                                          "shapes:num_images=20"));
}

// Through links.
absl::StatusOr<bool> IsFolder(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(const fs::file_type type, TargetType(path));
  return type == fs::file_type::directory;
}

// VOC's own layout, with lists of any name.
absl::StatusOr<bool> HasVocLayout(const std::string& folder) {
  RCNN_ASSIGN_OR_RETURN(const bool has_annotations, IsFolder(folder + "/Annotations"));
  if (!has_annotations) return false;
  return IsFolder(folder + "/JPEGImages");
}

// What is not a folder to be recognised.
absl::StatusOr<configs::DatasetConfig> ParseOtherFlag(const std::string& flag) {
  const std::string form = flag.substr(0, flag.find(':'));
  if (form == "shapes") return ParseShapes(flag);
  if (absl::StartsWith(flag, "voc:")) return ParseVoc(flag);
  if (absl::StartsWith(flag, "coco:")) return ParseCoco(flag);
  if (absl::EndsWith(flag, ".json")) return MakeCocoConfig(flag);
  if (absl::EndsWith(flag, kShardIndexExtension)) return MakeShardsConfig(flag);
  for (const absl::string_view format : {"yolo", "labelme", "cvat", "csv", "shards"}) {
    if (form != format) continue;
    if (flag.size() <= form.size() + 1) {
      return NotOfForm(absl::StrCat(format, ":FOLDER[:PART]"));
    }
    return absl::NotFoundError("no such folder");
  }
  if (form == "voc") return ParseVoc(flag);
  if (form == "coco") return ParseCoco(flag);
  RCNN_ASSIGN_OR_RETURN(const fs::file_type type, TargetType(flag));
  if (type == fs::file_type::not_found) return NoSuchDataset();
  constexpr char kAs[] = "read as a DatasetConfig (textproto)";
  RCNN_ASSIGN_OR_RETURN(std::string text, ReadFile(flag, {.max_bytes = kMaxConfigBytes}), kAs);
  RCNN_ASSIGN_OR_RETURN(configs::DatasetConfig config, ParseDatasetConfig(text, flag), kAs);
  return config;
}

}  // namespace

absl::StatusOr<configs::DatasetConfig> ParseDatasetConfig(absl::string_view text,
                                                          absl::string_view source) {
  configs::DatasetConfig config;
  RCNN_RETURN_IF_ERROR(configs::ParseTextproto(text, source, &config));
  return config;
}

absl::StatusOr<std::optional<std::pair<std::string, std::string>>> FolderOfDatasetFlag(
    const std::string& flag, const std::string& data_root) {
  const std::vector<std::string> parts = absl::StrSplit(flag, ':');
  const bool named = parts.size() >= 2 && parts.size() <= 3 &&
                     std::find(std::begin(kFolderFormats), std::end(kFolderFormats), parts[0]) !=
                         std::end(kFolderFormats);
  if (flag.empty() || (named && parts[1].empty())) return std::nullopt;
  const std::string folder =
      named ? (fs::path(data_root.empty() ? "." : data_root) / parts[1]).string() : flag;
  RCNN_ASSIGN_OR_RETURN(const bool is_folder, IsFolder(folder));
  if (!is_folder) return std::nullopt;
  if (named && parts[0] == "voc") {
    RCNN_ASSIGN_OR_RETURN(const bool is_voc, HasVocLayout(folder));
    if (is_voc) return std::nullopt;
  }
  return std::pair(folder, named ? parts[0] : "");
}

absl::StatusOr<configs::DatasetConfig> ParseDatasetFlag(const std::string& flag,
                                                        const DatasetFlagOptions& options) {
  if (flag.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("no dataset given: ", kDatasetFlagHelp));
  }
  RCNN_ASSIGN_OR_RETURN(const auto folder, FolderOfDatasetFlag(flag, options.data_root));
  if (folder) {
    RCNN_ASSIGN_OR_RETURN(const DatasetFlagOptions resolved, TakePart(flag, options));
    RCNN_ASSIGN_OR_RETURN(const OpenedFolder opened, OpenFolderOfFlag(*folder, resolved));
    if (auto config = FindConfig(opened, resolved.part)) return *std::move(config);
    return absl::InvalidArgumentError(
        absl::StrCat("the folder has no part ", resolved.part, "; leave it out to use all images"));
  }
  RCNN_ASSIGN_OR_RETURN(configs::DatasetConfig config, ParseOtherFlag(flag));
  RCNN_RETURN_IF_ERROR(CheckFolderOptions(options));
  return config;
}

absl::StatusOr<std::unique_ptr<Dataset>> OpenNamedDataset(const std::string& flag,
                                                          const DatasetOptions& options,
                                                          const DatasetFlagOptions& flag_options) {
  RCNN_RETURN_IF_ERROR(
      CheckPathLength("--data_root", options.data_root, "give the folder of the data"));
  RCNN_ASSIGN_OR_RETURN(DatasetFlagOptions resolved, TakePart(flag, flag_options));
  resolved.data_root = options.data_root;
  RCNN_ASSIGN_OR_RETURN(const auto folder, FolderOfDatasetFlag(flag, options.data_root));
  if (folder) {
    RCNN_ASSIGN_OR_RETURN(const OpenedFolder opened, OpenFolderOfFlag(*folder, resolved));
    return OpenFolderPart(opened, resolved);
  }
  RCNN_ASSIGN_OR_RETURN(const configs::DatasetConfig config, ParseDatasetFlag(flag, resolved));
  return MakeDataset(config, options);
}

absl::StatusOr<std::unique_ptr<Dataset>> OpenDatasetFlag(const std::string& flag,
                                                         const DatasetOptions& options,
                                                         const DatasetFlagOptions& flag_options) {
  RCNN_ASSIGN_OR_RETURN(std::unique_ptr<Dataset> dataset,
                        OpenNamedDataset(flag, options, flag_options),
                        ShownFlag("--dataset", flag));
  return dataset;
}

absl::StatusOr<OpenedFolder> OpenFolderOfFlag(const std::pair<std::string, std::string>& folder,
                                              const DatasetFlagOptions& flag_options) {
  return OpenFolder(folder.first, {.format = folder.second,
                                   .follow_links = flag_options.follow_links,
                                   .box_units = flag_options.box_units,
                                   .exif_orientation = flag_options.exif_orientation});
}

absl::StatusOr<std::shared_ptr<const Dataset>> OpenPartOfFolder(
    const std::string& flag, const OpenedFolder& folder, const DatasetFlagOptions& flag_options) {
  RCNN_ASSIGN_OR_RETURN(const DatasetFlagOptions resolved, TakePart(flag, flag_options));
  if (auto opened = FindOpened(folder, resolved.part)) return opened;
  return OpenFolderPart(folder, resolved);
}

absl::StatusOr<std::optional<configs::DatasetConfig>> ConfigOfPart(
    const std::string& flag, const OpenedFolder& folder, const DatasetFlagOptions& flag_options) {
  RCNN_ASSIGN_OR_RETURN(const DatasetFlagOptions resolved, TakePart(flag, flag_options));
  return FindConfig(folder, resolved.part);
}

}  // namespace rcnn::data

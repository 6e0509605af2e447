#include "rcnn/data/sources/dataset_flag.h"

#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/configs/textproto.h"

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

absl::Status NoSuchDataset() {
  return absl::NotFoundError(absl::StrCat("no such file or folder; it may be ", kDatasetFlagHelp,
                                          ", as in voc:VOCdevkit/VOC2007:test, "
                                          "coco:instances_val2017.json:val2017 or "
                                          "shapes:num_images=20"));
}

}  // namespace

absl::StatusOr<configs::DatasetConfig> ParseDatasetConfig(absl::string_view text,
                                                          absl::string_view source) {
  configs::DatasetConfig config;
  RCNN_RETURN_IF_ERROR(configs::ParseTextproto(text, source, &config));
  return config;
}

absl::StatusOr<configs::DatasetConfig> ParseDatasetFlag(const std::string& flag) {
  if (flag.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("no dataset given: ", kDatasetFlagHelp));
  }
  const std::string form = flag.substr(0, flag.find(':'));
  std::error_code error;
  if (form == "shapes") return ParseShapes(flag);
  if (absl::StartsWith(flag, "voc:")) return ParseVoc(flag);
  if (absl::StartsWith(flag, "coco:")) return ParseCoco(flag);
  if (fs::is_directory(flag, error)) return VocIn(flag);
  if (absl::EndsWith(flag, ".json")) return MakeCocoConfig(flag);
  if (form == "voc") return ParseVoc(flag);
  if (form == "coco") return ParseCoco(flag);
  if (!fs::exists(flag, error)) return NoSuchDataset();
  constexpr char kAs[] = "read as a DatasetConfig (textproto)";
  RCNN_ASSIGN_OR_RETURN(std::string text, ReadFile(flag, {.max_bytes = kMaxConfigBytes}), kAs);
  RCNN_ASSIGN_OR_RETURN(configs::DatasetConfig config, ParseDatasetConfig(text, flag), kAs);
  return config;
}

absl::StatusOr<std::unique_ptr<Dataset>> OpenDatasetFlag(const std::string& flag,
                                                         const DatasetOptions& options) {
  RCNN_ASSIGN_OR_RETURN(const configs::DatasetConfig config, ParseDatasetFlag(flag),
                        absl::StrCat("--dataset=", flag));
  RCNN_ASSIGN_OR_RETURN(std::unique_ptr<Dataset> dataset, MakeDataset(config, options),
                        absl::StrCat("--dataset=", flag));
  return dataset;
}

}  // namespace rcnn::data

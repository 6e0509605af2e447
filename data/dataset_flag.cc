#include "rcnn/data/dataset_flag.h"

#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/configs/textproto.h"

namespace rcnn::data {
namespace {

constexpr int64_t kMaxConfigBytes = int64_t{1} << 20;

absl::Status TooManyParts(absl::string_view flag, absl::string_view form) {
  return absl::InvalidArgumentError(absl::StrCat("--dataset=", flag, ": not of the form ", form));
}

absl::StatusOr<configs::DatasetConfig> ParseVoc(absl::string_view flag) {
  const std::vector<std::string> parts = absl::StrSplit(flag, ':');
  if (parts.size() < 2 || parts.size() > 3) return TooManyParts(flag, "voc:FOLDER[:SPLIT]");
  configs::DatasetConfig config;
  config.mutable_voc();
  config.mutable_paths()->set_folder(parts[1]);
  if (parts.size() > 2) config.mutable_voc()->set_split(parts[2]);
  return config;
}

absl::StatusOr<configs::DatasetConfig> ParseCoco(absl::string_view flag) {
  const std::vector<std::string> parts = absl::StrSplit(flag, ':');
  if (parts.size() < 2 || parts.size() > 3) {
    return TooManyParts(flag, "coco:INSTANCES.json[:IMAGES]");
  }
  configs::DatasetConfig config;
  config.mutable_coco();
  config.mutable_paths()->set_annotations(parts[1]);
  if (parts.size() > 2) config.mutable_paths()->set_images(parts[2]);
  return config;
}

absl::StatusOr<configs::DatasetConfig> ParseShapes(absl::string_view flag) {
  const std::vector<absl::string_view> parts = absl::StrSplit(flag, ':');
  if (parts.size() > 2) return TooManyParts(flag, "shapes[:FIELD=VALUE,...]");
  const absl::string_view fields = parts.size() > 1 ? parts[1] : "";
  const std::string text = absl::StrReplaceAll(fields, {{"=", ": "}, {",", " "}});
  return ParseDatasetConfig(absl::StrCat("shapes {", text, "}"), absl::StrCat("--dataset=", flag));
}

}  // namespace

absl::StatusOr<configs::DatasetConfig> ParseDatasetConfig(absl::string_view text,
                                                          absl::string_view source) {
  configs::DatasetConfig config;
  RCNN_RETURN_IF_ERROR(configs::ParseTextproto(text, source, &config));
  return config;
}

absl::StatusOr<configs::DatasetConfig> ParseDatasetFlag(const std::string& flag) {
  const std::string form = flag.substr(0, flag.find(':'));
  if (flag.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("no --dataset given: ", kDatasetFlagHelp));
  }
  if (form == "voc") return ParseVoc(flag);
  if (form == "coco") return ParseCoco(flag);
  if (form == "shapes") return ParseShapes(flag);
  RCNN_ASSIGN_OR_RETURN(std::string text, ReadFile(flag, {.max_bytes = kMaxConfigBytes}),
                        absl::StrCat("--dataset (", kDatasetFlagHelp, ")"));
  return ParseDatasetConfig(text, flag);
}

}  // namespace rcnn::data

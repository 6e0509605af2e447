#include "rcnn/base/stage_record.h"

#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/digest_json.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/sealed_json.h"
#include "rcnn/base/status_macros.h"

namespace rcnn {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kFormat = 1;

absl::Status Damaged(absl::string_view what) { return absl::DataLossError(what); }

absl::Status CheckName(const std::string& name) {
  const absl::Status status = JoinInside("", name).status();
  return status.ok() ? status : Damaged(absl::StrCat("a file of the stage: ", status.message()));
}

absl::Status ReadFiles(const Json& files, StageRecord& record) {
  if (files.is_array()) {
    for (const Json& name : files) {
      if (!name.is_string()) return Damaged("the name of a file is not a string");
      record.files[name.get<std::string>()] = absl::nullopt;
    }
    return absl::OkStatus();
  }
  if (!files.is_object()) return Damaged("the files are not listed");
  for (const auto& [name, entry] : files.items()) {
    const absl::StatusOr<FileDigest> digest = DigestFromJson(files, name);
    if (digest.ok()) {
      record.files[name] = *digest;
    } else if (entry.is_object() && entry.contains("crc32c")) {
      return digest.status();
    } else {
      record.files[name] = absl::nullopt;
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string StageRecordText(const StageRecord& record) {
  Json files = Json::object();
  for (const auto& [name, digest] : record.files) files[name] = DigestToJson(digest.value());
  Json json = {{"format", kFormat}, {"key", record.key}, {"files", files}};
  if (record.processes > 1) json["processes"] = record.processes;
  return SealedText(json);
}

absl::StatusOr<StageRecord> ParseStageRecord(absl::string_view text) {
  RCNN_ASSIGN_OR_RETURN(const SealedJson read,
                        ParseSealed(text, {"format", "key", "files", "processes"}));
  const Json& json = read.record;
  if (!json.contains("format") || json["format"] != kFormat) return Damaged("unknown format");
  if (json.contains("key") && !json["key"].is_string()) return Damaged("the key is not a string");
  StageRecord record;
  record.sealed = read.sealed;
  if (json.contains("key")) record.key = json["key"].get<std::string>();
  record.lists_files = json.contains("files");
  if (json.contains("processes")) {
    if (!json["processes"].is_number_integer()) {
      return Damaged("the number of processes is not a number");
    }
    record.processes = json["processes"].get<int>();
  }
  if (record.lists_files) RCNN_RETURN_IF_ERROR(ReadFiles(json["files"], record));
  for (const auto& [name, digest] : record.files) {
    // Repairs write files of these names.
    RCNN_RETURN_IF_ERROR(CheckName(name));
    if (record.sealed && !digest.has_value()) return Damaged(absl::StrCat("no checksum of ", name));
  }
  return record;
}

}  // namespace rcnn

#include "rcnn/tools/detect_output.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/absolute_path.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/sealed_json.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int kFormat = 1;
constexpr char kProgram[] = "detect";
// Of a million names of a kilobyte.
constexpr int64_t kMaxManifestBytes = int64_t{1} << 30;
constexpr absl::string_view kResults[] = {"detections.json", "images.json", "detections.csv"};

std::string In(const std::string& folder, absl::string_view name) {
  return (fs::path(folder) / std::string(name)).string();
}

// Whether detect writes files of this name.
bool IsOwnName(absl::string_view name) {
  if (std::find(std::begin(kResults), std::end(kResults), name) != std::end(kResults)) return true;
  return absl::StartsWith(name, "drawn/") && absl::EndsWith(name, ".jpg");
}

absl::Status UntrustedManifest(const std::string& folder, absl::string_view why) {
  return absl::FailedPreconditionError(
      absl::StrCat(In(folder, kManifestName), ": ", why,
                   ", so it is unknown which files here are results of detect; choose "
                   "another --output, or empty the folder"));
}

// The names are escaped as in C, because a file's name may hold any bytes.
absl::StatusOr<std::vector<std::string>> ListedNames(const Json& manifest) {
  const Json format = manifest.value("format", Json()), program = manifest.value("program", Json());
  if (format != kFormat || program != kProgram || !manifest.contains("files") ||
      !manifest["files"].is_array()) {
    return absl::DataLossError("it is not a manifest of detect");
  }
  std::vector<std::string> names;
  for (const Json& entry : manifest["files"]) {
    std::string name;
    if (!entry.is_string() || !absl::CUnescape(entry.get<std::string>(), &name)) {
      return absl::DataLossError("it has an entry that is not a name");
    }
    if (!IsOwnName(name) || !JoinInside("", name).ok()) {
      return absl::DataLossError(
          absl::StrCat("it lists '", entry.get<std::string>(), "', which detect never writes"));
    }
    names.push_back(std::move(name));
  }
  return names;
}

absl::StatusOr<std::vector<std::string>> ParseManifest(absl::string_view text) {
  RCNN_ASSIGN_OR_RETURN(const SealedJson read, ParseSealed(text, {"format", "program", "files"}));
  if (!read.sealed) return absl::DataLossError("it has no seal");
  return ListedNames(read.record);
}

std::string ManifestText(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  Json files = Json::array();
  for (const std::string& name : names) files.push_back(absl::CEscape(name));
  return SealedText({{"format", kFormat}, {"program", kProgram}, {"files", files}});
}

// Checks that no folder on the way to the file is a link, and that it is a file or missing. An
// error if the file system cannot tell: it may be a link then.
absl::Status CheckLiesInside(const std::string& folder, const std::string& name) {
  fs::path path = folder;
  const fs::path relative = name;
  for (const fs::path& part : relative.parent_path()) {
    path /= part;
    RCNN_ASSIGN_OR_RETURN(const fs::file_type type, PathType(path.string()));
    if (type != fs::file_type::symlink) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        path.string(), " is a link, and detect writes and deletes only inside ", folder));
  }
  path /= relative.filename();
  RCNN_ASSIGN_OR_RETURN(const fs::file_type type, PathType(path.string()));
  if (type != fs::file_type::directory) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(path.string(), " is a folder where detect would write a file"));
}

absl::Status CheckKeepsInputs(const OutputFolder& output, const std::vector<std::string>& own,
                              const std::vector<std::string>& inputs) {
  std::set<std::string> kept;
  for (const std::string& input : inputs) {
    RCNN_ASSIGN_OR_RETURN(std::string path, ResolvedPath(input));
    kept.insert(std::move(path));
  }
  if (kept.empty()) return absl::OkStatus();
  for (const std::vector<std::string>* names : {&output.files, &own}) {
    for (const std::string& name : *names) {
      const std::string path = In(output.path, name);
      RCNN_ASSIGN_OR_RETURN(const std::string resolved, ResolvedPath(path));
      if (kept.count(resolved) == 0) continue;
      return absl::FailedPreconditionError(absl::StrCat(
          path,
          " is one of the input images and would be overwritten or deleted; choose another "
          "--output"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckWritesOwnFiles(const OutputFolder& output, const std::vector<std::string>& own) {
  const std::set<std::string> known(own.begin(), own.end());
  for (const std::string& name : output.files) {
    RCNN_RETURN_IF_ERROR(CheckLiesInside(output.path, name));
    const std::string path = In(output.path, name);
    RCNN_ASSIGN_OR_RETURN(const bool exists, PathExists(path));
    if (!exists || known.count(name) > 0) continue;
    return absl::FailedPreconditionError(
        absl::StrCat(path, " exists, and ", In(output.path, kManifestName),
                     " does not list it: another program wrote it; choose another --output"));
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<std::string> ResultNames() { return {std::begin(kResults), std::end(kResults)}; }

absl::StatusOr<std::vector<std::string>> ReadManifest(const std::string& folder) {
  const std::string path = In(folder, kManifestName);
  RCNN_ASSIGN_OR_RETURN(const bool exists, PathExists(path));
  if (!exists) return std::vector<std::string>();
  // The file of another folder lists the files of that one.
  RCNN_ASSIGN_OR_RETURN(const bool is_file, IsRegularFile(path));
  if (!is_file) return UntrustedManifest(folder, "it is a link or not a file");
  const absl::StatusOr<std::string> text = ReadSmallFile(path, kMaxManifestBytes);
  if (absl::IsDataLoss(text.status())) return UntrustedManifest(folder, "it is too large");
  RCNN_RETURN_IF_ERROR(text.status());
  absl::StatusOr<std::vector<std::string>> names = ParseManifest(*text);
  if (!names.ok()) return UntrustedManifest(folder, names.status().message());
  return names;
}

absl::Status CheckOutputFolder(const OutputFolder& output, const std::vector<std::string>& inputs) {
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> own, ReadManifest(output.path));
  RCNN_RETURN_IF_ERROR(CheckKeepsInputs(output, own, inputs));
  RCNN_RETURN_IF_ERROR(CheckWritesOwnFiles(output, own));
  for (const std::string& name : own) {
    RCNN_RETURN_IF_ERROR(CheckLiesInside(output.path, name));
  }
  RCNN_ASSIGN_OR_RETURN(const bool used, PathExists(In(output.path, kManifestName)));
  if (!used || output.overwrite) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("--output=", output.path,
                   " holds the results of another run; choose another folder, or append "
                   "--overwrite to delete them (the files that ",
                   In(output.path, kManifestName), " lists)"));
}

absl::StatusOr<FolderLock> ClaimOutputFolder(const OutputFolder& output) {
  RCNN_RETURN_IF_ERROR(CreateDirectories(output.path), "--output");
  RCNN_ASSIGN_OR_RETURN(FolderLock lock, FolderLock::Take(output.path), "--output");
  // Checked again, because minutes may have passed: another process may have claimed the folder,
  // and even have ended.
  RCNN_RETURN_IF_ERROR(CheckOutputFolder(output, {}));
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> own, ReadManifest(output.path));
  // The old manifest stays until the last of its files is deleted.
  for (const std::string& name : own) {
    std::error_code error;
    fs::remove(In(output.path, name), error);
    if (!error) continue;
    return absl::UnavailableError(
        absl::StrCat("cannot delete ", In(output.path, name), ": ", error.message()));
  }
  RCNN_RETURN_IF_ERROR(
      WriteFileAtomically(In(output.path, kManifestName), ManifestText(output.files)).status());
  return lock;
}

}  // namespace rcnn::tools

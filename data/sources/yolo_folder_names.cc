#include "rcnn/data/sources/yolo_folder_names.h"

#include <algorithm>
#include <cstddef>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/data/core/folder_listing.h"

namespace rcnn::data {
namespace {

bool IsDataYaml(absl::string_view file) {
  return absl::EqualsIgnoreCase(FilePart(file), "data.yaml");
}

bool IsNameList(absl::string_view file) {
  const std::string name = absl::AsciiStrToLower(FilePart(file));
  return name == "classes.txt" || name == "_darknet.labels" || absl::EndsWith(name, ".names");
}

absl::StatusOr<std::string> ReadYaml(const FolderContents& contents, const std::string& file) {
  return ReadFile(absl::StrCat(contents.folder(), "/", file), {.max_bytes = kMaxYoloYamlBytes});
}

// Compares the classes of the other files called data.yaml, to whose labels those of `used` do not
// apply. One that lies inside the folder of `used` is told.
absl::Status CheckOthersAgree(const FolderContents& contents, const FolderYaml& used,
                              const std::vector<std::string>& files, Notices& notices) {
  for (const std::string& file : files) {
    if (file == used.file || !IsDataYaml(file)) continue;
    const absl::StatusOr<std::string> text = ReadYaml(contents, file);
    if (IsUnreadableNow(text.status())) return text.status();
    const absl::StatusOr<YoloYaml> yaml =
        text.ok() ? ParseYoloYaml(*text) : absl::StatusOr<YoloYaml>(text.status());
    if (!yaml.ok()) {
      notices.push_back(absl::StrCat(file, " is not read: ", yaml.status().message()));
      continue;
    }
    if (yaml->names == used.yaml.names) continue;
    const std::string differ = absl::StrCat(used.file, " and ", file, " name different classes; ");
    if (!IsInside(ParentPart(file), ParentPart(used.file))) {
      return absl::InvalidArgumentError(absl::StrCat(
          contents.folder(), ": ", differ, "open the folder of each by itself, or keep one"));
    }
    notices.push_back(absl::StrCat(differ, "those of ", used.file, " are used"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::optional<FolderYaml>> FindYaml(const FolderContents& contents,
                                                   Notices& notices) {
  std::vector<std::string> files;
  for (const std::string& file : contents.files()) {
    if (IsYamlFile(file)) files.push_back(file);
  }
  const auto rank = [](const std::string& file) {
    return std::tuple(std::count(file.begin(), file.end(), '/'), !IsDataYaml(file), file);
  };
  std::sort(files.begin(), files.end(),
            [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
  for (const std::string& file : files) {
    const absl::StatusOr<std::string> text = ReadYaml(contents, file);
    // A large one rarely has names of classes.
    if (absl::IsResourceExhausted(text.status()) && !IsDataYaml(file)) {
      notices.push_back(
          absl::StrCat(file, " is not read: larger than ", kMaxYoloYamlBytes >> 20, " MiB"));
      continue;
    }
    RCNN_RETURN_IF_ERROR(text.status());
    absl::StatusOr<YoloYaml> yaml = ParseYoloYaml(*text);
    if (yaml.ok()) {
      FolderYaml used = {file, *std::move(yaml)};
      RCNN_RETURN_IF_ERROR(CheckOthersAgree(contents, used, files, notices));
      return used;
    }
    if (IsDataYaml(file)) {
      return Annotate(yaml.status(), absl::StrCat(contents.folder(), "/", file));
    }
    // Others may belong to another program.
    if (absl::StrContains(*text, "names")) {
      notices.push_back(absl::StrCat(file, " is not read: ", yaml.status().message()));
    }
  }
  return std::optional<FolderYaml>();
}

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

std::optional<std::string> PlaceInside(const FolderContents& contents, const FolderYaml& yaml,
                                       const std::string& place) {
  const absl::string_view folder = ParentPart(yaml.file);
  std::string path = absl::StrReplaceAll(place, {{"\\", "/"}});
  absl::string_view rest = path;
  while (absl::ConsumePrefix(&rest, "./") || absl::ConsumePrefix(&rest, "../") ||
         absl::ConsumePrefix(&rest, "/")) {
  }
  rest = absl::StripSuffix(rest, "/");
  if (rest == ".") rest = "";
  for (;;) {
    for (const std::string& start : {JoinParts(folder, yaml.yaml.path), std::string(folder)}) {
      const std::string candidate = JoinParts(start, rest);
      if (contents.HasFile(candidate) || contents.HasImages(candidate)) return candidate;
    }
    const size_t slash = rest.find('/');
    if (slash == absl::string_view::npos) return std::nullopt;
    rest.remove_prefix(slash + 1);
  }
}

}  // namespace rcnn::data

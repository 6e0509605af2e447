#include "rcnn/data/sources/part_folders.h"

#include <algorithm>
#include <cstddef>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/folder_listing.h"

namespace rcnn::data {
namespace {

// Files that are read to see which images they name.
constexpr size_t kNamesRead = 16;

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

}  // namespace

std::string PartName(absl::string_view path) {
  std::string part;
  std::string letters(path);
  for (char& c : letters) c = absl::ascii_isalpha(c) ? absl::ascii_tolower(c) : ' ';
  for (const absl::string_view word : absl::StrSplit(letters, ' ', absl::SkipEmpty())) {
    if (word == "train" || word == "training" || word == "trainval" || word == "trainset") {
      part = "train";
    } else if (word == "val" || word == "valid" || word == "validation" || word == "valset") {
      part = "val";
    } else if (word == "test" || word == "testing" || word == "testset") {
      part = "test";
    }
  }
  return part;
}

std::vector<std::string> Spread(const std::vector<std::string>& files) {
  std::vector<std::string> some;
  const size_t step = std::max<size_t>(1, files.size() / kNamesRead);
  for (size_t i = 0; i < files.size(); i += step) some.push_back(files[i]);
  return some;
}

absl::StatusOr<std::optional<std::string>> FolderOfPartWith(const FolderContents& contents,
                                                            const std::vector<std::string>& names,
                                                            absl::string_view near) {
  RCNN_ASSIGN_OR_RETURN(const std::optional<std::string> found, contents.FolderWith(names, near));
  const std::string part = PartName(near);
  if (!found || part.empty() || PartName(*found) == part) return found;
  for (const std::string& folder : FoldersOfPart(contents, part)) {
    RCNN_ASSIGN_OR_RETURN(const std::optional<std::string> own, contents.FolderWith(names, folder));
    if (own == folder) return own;
  }
  return found;
}

absl::StatusOr<std::optional<std::string>> FindImagesOfPart(const FolderContents& contents,
                                                            const AnnotationFolder& annotations) {
  const std::optional<std::string> found = contents.FindImages(annotations);
  const std::string part = PartName(annotations.folder);
  if (!found || part.empty() || PartName(*found) == part) return found;
  std::vector<std::string> names = Spread(annotations.files);
  for (std::string& name : names) name = std::string(StemPart(name));
  RCNN_ASSIGN_OR_RETURN(const std::optional<std::string> named,
                        FolderOfPartWith(contents, names, annotations.folder));
  return named && PartName(*named) == part ? named : found;
}

std::string ImagesOfPart(const FolderContents& contents, const std::string& file,
                         const std::string& part, const std::set<std::string>& names) {
  if (HasNamesTwice(contents, names)) {
    for (const std::string& folder : FoldersOfPart(contents, part)) {
      const bool all = std::all_of(names.begin(), names.end(), [&](const std::string& name) {
        return contents.HasImage(JoinParts(folder, name));
      });
      if (all) return folder;
    }
  }
  return ImagesNear(contents, file);
}

std::map<std::string, std::string> ListsIn(const FolderContents& contents,
                                           const std::string& folder) {
  std::map<std::string, std::string> lists;
  for (const char* name : {"train", "val", "valid", "test", "trainval"}) {
    const std::string file = JoinParts(folder, absl::StrCat(name, ".txt"));
    if (contents.HasFile(file)) {
      lists[absl::string_view(name) == "valid" ? "val" : name] = file;
    }
  }
  return lists;
}

}  // namespace rcnn::data

#include "rcnn/data/sources/split_lists.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "rcnn/base/absolute_path.h"
#include "rcnn/base/errno_status.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/data/core/image_list.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

constexpr char kFolderFile[] = "folder.txt";
constexpr char kChecksumsFile[] = "checksums.txt";
constexpr int64_t kMaxFolderBytes = int64_t{1} << 20;
constexpr int64_t kMaxChecksumsBytes = int64_t{1} << 24;
constexpr int64_t kMaxListBytes = int64_t{1} << 30;

std::string In(const std::string& directory, absl::string_view name) {
  return absl::StrCat(directory, "/", name);
}

absl::StatusOr<std::string> Absolute(const std::string& directory) {
  RCNN_ASSIGN_OR_RETURN(const std::string absolute, AbsolutePath(directory));
  std::string path = fs::path(absolute).lexically_normal().string();
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

std::string ListName(SplitSide side, int64_t place) {
  return absl::StrCat(SideName(side), place == 0 ? "" : absl::StrCat("-", place), ".txt");
}

std::string Key(int64_t place, absl::string_view name) { return absl::StrCat(place, ":", name); }

std::string Lines(const std::vector<std::string>& names) {
  return names.empty() ? "" : absl::StrCat(absl::StrJoin(names, "\n"), "\n");
}

// Lists have one name per line, without spaces around it, and "\\" separates folders in them. The
// first bytes of a file may mark its encoding.
absl::Status CheckListable(const std::string& folder, const std::string& name) {
  const absl::StatusOr<ImageList> list = ImageList::Decode(Lines({name}));
  if (list.ok() && list->names() == std::vector<std::string>{name}) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      folder, ": a list of the split cannot hold the image name \"", absl::Utf8SafeCEscape(name),
      "\", because of a line break, a backslash, spaces at its ends, ./ or ../ before it, or first "
      "bytes that mark the encoding of a file; rename the image"));
}

// Lists may be read where a link leads to, but not written: there may be those of another run.
absl::Status RefuseLink(const std::string& directory) {
  RCNN_ASSIGN_OR_RETURN(const fs::file_type type, PathType(directory));
  if (type != fs::file_type::symlink) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      directory,
      ": is a link, and the lists of the split would be written where it leads to; put the "
      "directory itself there"));
}

absl::Status WriteChecksums(const std::string& directory, const ListChecksums& checksums) {
  return WriteFileAtomically(In(directory, kChecksumsFile), checksums.Text()).status();
}

}  // namespace

SplitLists::SplitLists(std::string directory, std::string folder)
    : directory_(std::move(directory)), folder_(std::move(folder)) {}

absl::StatusOr<SplitLists> SplitLists::Read(const std::string& directory,
                                            const std::string& folder) {
  RCNN_ASSIGN_OR_RETURN(std::string path, Absolute(directory));
  SplitLists lists(std::move(path), folder);
  RCNN_RETURN_IF_ERROR(lists.ReadAll());
  return lists;
}

absl::StatusOr<SplitVerification> SplitLists::Verify(const std::string& directory) {
  RCNN_ASSIGN_OR_RETURN(std::string path, Absolute(directory));
  SplitLists lists(std::move(path), "");
  SplitVerification found;
  found.directory = lists.directory_;
  RCNN_RETURN_IF_ERROR(lists.VerifyAll(found));
  return found;
}

absl::Status SplitLists::VerifyAll(SplitVerification& found) {
  // Returns the error of a file that cannot be read now, and notes others.
  const auto note = [&found](const absl::Status& status) {
    if (status.ok() || IsUnreadableNow(status)) return status;
    found.problems.emplace_back(status.message());
    return absl::OkStatus();
  };
  const absl::StatusOr<std::string> folder = ReadFolder();
  const bool is_missing = absl::IsNotFound(folder.status());
  const absl::Status status = is_missing ? CheckReplaceable() : folder.status();
  if (is_missing && status.ok()) return status;
  RCNN_RETURN_IF_ERROR(note(status));
  found.are_there = true;
  if (folder.ok()) found.folder = *folder;
  RCNN_RETURN_IF_ERROR(note(ReadChecksums()));
  if (checksums_) ++found.files;
  for (const SplitSide side : kAllSides) {
    for (int64_t place = 0;; ++place) {
      const absl::StatusOr<bool> is_there = ReadList(side, place);
      RCNN_RETURN_IF_ERROR(note(is_there.status()));
      if (is_there.ok() && !*is_there) break;
      if (checksums_) ++found.files;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> SplitLists::ReadFolder() const {
  RCNN_ASSIGN_OR_RETURN(const std::string text,
                        ReadSmallFile(In(directory_, kFolderFile), kMaxFolderBytes));
  return std::string(absl::StripAsciiWhitespace(text));
}

absl::Status SplitLists::ReadAll() {
  const absl::StatusOr<std::string> recorded = ReadFolder();
  if (absl::IsNotFound(recorded.status())) return CheckReplaceable();
  RCNN_RETURN_IF_ERROR(recorded.status());
  if (*recorded != folder_) {
    return absl::FailedPreconditionError(absl::StrCat(directory_, ": holds the split of ",
                                                      *recorded, ", not of ", folder_,
                                                      "; give another --run_dir"));
  }
  were_there_ = true;
  RCNN_RETURN_IF_ERROR(ReadChecksums());
  for (const SplitSide side : kAllSides) {
    for (int64_t place = 0;; ++place) {
      RCNN_ASSIGN_OR_RETURN(const bool is_there, ReadList(side, place));
      if (!is_there) break;
    }
  }
  return absl::OkStatus();
}

// New lists take the place of only a missing or an empty directory.
absl::Status SplitLists::CheckReplaceable() const {
  std::error_code error;
  const fs::file_status status = fs::symlink_status(directory_, error);
  if (status.type() == fs::file_type::not_found) return absl::OkStatus();
  if (error) return ErrorNumberStatus(error.value(), "read", directory_);
  if (fs::is_directory(directory_, error)) {
    const bool is_empty = fs::is_empty(directory_, error);
    if (error) return ErrorNumberStatus(error.value(), "read", directory_);
    if (!is_empty) {
      return absl::FailedPreconditionError(
          absl::StrCat(directory_,
                       ": holds files but no folder.txt, so it is not known which folder "
                       "its lists split; restore the file (its line is the folder's path), or "
                       "move the directory away"));
    }
    if (fs::is_directory(status)) return absl::OkStatus();
  }
  // A directory cannot be renamed over it.
  return absl::FailedPreconditionError(
      absl::StrCat(directory_, ": is ", fs::is_symlink(status) ? "a link" : "not a directory",
                   ", so the lists of the split cannot take its place; move it away"));
}

// None in a directory of an earlier version.
absl::Status SplitLists::ReadChecksums() {
  const std::string path = In(directory_, kChecksumsFile);
  const absl::StatusOr<std::string> text = ReadSmallFile(path, kMaxChecksumsBytes);
  if (absl::IsNotFound(text.status())) return absl::OkStatus();
  if (absl::IsDataLoss(text.status())) return Changed(path, "is damaged: it is too large");
  RCNN_RETURN_IF_ERROR(text.status());
  absl::StatusOr<ListChecksums> checksums = ListChecksums::Parse(*text);
  if (!checksums.ok()) return Changed(path, "is damaged");
  checksums_ = *std::move(checksums);
  return absl::OkStatus();
}

absl::Status SplitLists::Changed(const std::string& path, absl::string_view how) const {
  return absl::DataLossError(absl::StrCat(
      path, ": ", how, "; restore it, or, to use the lists of the split as they are, delete ",
      In(directory_, kChecksumsFile)));
}

// False if there is none.
absl::StatusOr<bool> SplitLists::ReadList(SplitSide side, int64_t place) {
  const std::string name = ListName(side, place), file = Path(side, place);
  const absl::StatusOr<std::string> text = ReadSmallFile(file, kMaxListBytes);
  if (absl::IsNotFound(text.status())) {
    if (checksums_ && checksums_->Has(name)) return Changed(file, "is missing");
    return false;
  }
  if (absl::IsDataLoss(text.status())) return Changed(file, "is damaged: it is too large");
  RCNN_RETURN_IF_ERROR(text.status());
  const FileDigest digest = Digest(*text);
  if (checksums_ && !checksums_->Allows(name, digest)) {
    return Changed(file, "is damaged, or has been edited: its checksum differs");
  }
  found_.Add(name, digest);
  RCNN_ASSIGN_OR_RETURN(const ImageList list, ImageList::Decode(*text), file);
  names_[static_cast<size_t>(side)][place] = list.names();
  for (const std::string& image : list.names()) {
    if (sides_.emplace(Key(place, image), side).second) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        file, ": names ", image, ", which another list names too; remove it from one of them"));
  }
  return true;
}

std::optional<SplitSide> SplitLists::Find(int64_t place, absl::string_view name) const {
  const auto known = sides_.find(Key(place, name));
  if (known == sides_.end()) return std::nullopt;
  return known->second;
}

absl::Status SplitLists::Add(SplitSide side, int64_t place, const std::string& name) {
  RCNN_RETURN_IF_ERROR(CheckListable(folder_, name));
  names_[static_cast<size_t>(side)][place].push_back(name);
  return absl::OkStatus();
}

int64_t SplitLists::Count(SplitSide side) const {
  int64_t count = 0;
  for (const auto& [place, names] : names_[static_cast<size_t>(side)]) {
    count += static_cast<int64_t>(names.size());
  }
  return count;
}

std::vector<int64_t> SplitLists::Places(SplitSide side) const {
  std::vector<int64_t> places;
  for (const auto& [place, names] : names_[static_cast<size_t>(side)]) {
    if (!names.empty()) places.push_back(place);
  }
  return places;
}

std::string SplitLists::Path(SplitSide side, int64_t place) const {
  return In(directory_, ListName(side, place));
}

// The text of each list, by its name.
std::map<std::string, std::string> SplitLists::Texts() const {
  int64_t places = 1;
  for (const auto& side : names_) {
    if (!side.empty()) places = std::max(places, side.rbegin()->first + 1);
  }
  std::map<std::string, std::string> texts;
  for (const SplitSide side : kAllSides) {
    const auto& of_side = names_[static_cast<size_t>(side)];
    for (int64_t place = 0; place < places; ++place) {
      const auto names = of_side.find(place);
      texts[ListName(side, place)] = names == of_side.end() ? "" : Lines(names->second);
    }
  }
  return texts;
}

absl::Status SplitLists::Write(const std::string& growth_directory) {
  const bool elsewhere = were_there_ && !growth_directory.empty();
  if (elsewhere) directory_ = growth_directory;
  const bool grow = were_there_ && !elsewhere;
  const std::string target = grow ? directory_ : directory_ + ".unfinished";
  RCNN_RETURN_IF_ERROR(grow ? RefuseLink(target) : RemovePath(target));
  RCNN_RETURN_IF_ERROR(CreateDirectories(target));
  const std::map<std::string, std::string> texts = Texts();
  ListChecksums after, during = found_;
  for (const auto& [name, text] : texts) after.Add(name, Digest(text));
  during.AddAll(after);
  RCNN_RETURN_IF_ERROR(WriteChecksums(target, during));
  for (const auto& [name, text] : texts) {
    RCNN_RETURN_IF_ERROR(WriteFileAtomically(In(target, name), text).status());
  }
  if (grow) return WriteChecksums(target, after);
  RCNN_RETURN_IF_ERROR(WriteFileAtomically(In(target, kFolderFile), folder_ + "\n").status());
  return RenamePath(target, directory_);
}

absl::Status SplitLists::RecordChecksums() const {
  if (checksums_ && *checksums_ == found_) return absl::OkStatus();
  // What a link leads to is not written, and its lists are used without checksums.
  RCNN_ASSIGN_OR_RETURN(const fs::file_type type, PathType(directory_));
  if (type == fs::file_type::symlink) return absl::OkStatus();
  return WriteChecksums(directory_, found_);
}

}  // namespace rcnn::data

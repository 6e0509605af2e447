#include "rcnn/tools/detect_inputs.h"

#include <fnmatch.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/absolute_path.h"
#include "rcnn/base/path_length.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;

constexpr absl::string_view kReadable[] = {".jpg", ".jpeg", ".jpe", ".jfif", ".png",
                                           ".bmp", ".webp", ".gif", ".tif",  ".tiff"};
constexpr absl::string_view kOther[] = {".heic", ".heif", ".avif", ".jp2", ".ppm", ".svg"};

std::string FileExtension(const fs::path& path) {
  return absl::AsciiStrToLower(path.extension().string());
}

// What `path` leads to: not_found also for one that is too long, whose error is that of reading it;
// none, with the cause in `error`, if the file system cannot tell.
fs::file_type Examine(const fs::path& path, std::error_code& error) {
  if (IsPathTooLong(path.string())) return fs::file_type::not_found;
  return fs::status(path, error).type();
}

bool Exists(fs::file_type type) { return fs::exists(fs::file_status(type)); }

std::string Unreadable(const std::error_code& error) {
  return absl::StrCat("cannot be read: ", error.message());
}

bool HasWildcard(absl::string_view text) { return text.find_first_of("*?[") != text.npos; }

class Finder {
 public:
  explicit Finder(const FindOptions& options) {
    if (!options.skipped_folder.empty()) skipped_folder_ = Resolve(options.skipped_folder);
  }

  void Add(const std::string& input);
  FoundInputs Result() { return std::move(found_); }

 private:
  void AddExisting(const fs::path& path);
  void AddFile(const fs::path& path);
  // Returns how many images there are, known or new.
  int64_t AddFolder(const fs::path& folder, std::set<std::string>& above);
  void AddPattern(const std::string& pattern);
  // The paths that match `parts` from `first` on below `folder`.
  void Match(const fs::path& folder, const std::vector<std::string>& parts, size_t first,
             std::set<fs::path>& matches);
  // The names in a folder that are not hidden, sorted.
  std::vector<fs::path> List(const fs::path& folder);
  // Whether what was found is a folder. If the file system cannot tell, that is a problem, and not
  // a file that may be left out.
  std::optional<bool> IsFolder(const fs::path& path);
  // A unique name for a folder, independent of the path to it. nullopt, and a problem, if the file
  // system cannot tell.
  std::optional<std::string> Resolve(const fs::path& path);
  // Whether it is the skipped folder, or may be, which is a problem.
  bool IsSkipped(const fs::path& path) {
    return skipped_folder_.has_value() &&
           Resolve(path).value_or(*skipped_folder_) == *skipped_folder_;
  }
  void Problem(absl::string_view path, absl::string_view what) {
    found_.problems.push_back(absl::StrCat(ShownPath(path), ": ", what));
  }

  FoundInputs found_;
  std::optional<std::string> skipped_folder_;
  std::set<std::string> seen_;
};

void Finder::Add(const std::string& input) {
  std::error_code error;
  const fs::file_type type = Examine(input, error);
  if (Exists(type)) return AddExisting(input);
  // Their parts may be readable.
  if (absl::StrContains(input, ',')) {
    for (absl::string_view part : absl::StrSplit(input, ',', absl::SkipWhitespace())) {
      Add(std::string(absl::StripAsciiWhitespace(part)));
    }
    return;
  }
  if (HasWildcard(input)) return AddPattern(input);
  if (IsPathTooLong(input)) {
    return Problem(input,
                   absl::StrCat(kPathTooLong, "; give files, folders or patterns to --input"));
  }
  Problem(input, type == fs::file_type::none ? Unreadable(error) : "no such file or folder");
}

void Finder::AddExisting(const fs::path& path) {
  const std::optional<bool> is_folder = IsFolder(path);
  if (!is_folder) return;
  if (!*is_folder) return AddFile(path);
  const size_t problems = found_.problems.size();
  if (IsSkipped(path)) {
    if (found_.problems.size() > problems) return;
    return Problem(path.string(), "drawn images would be written here; choose another --output");
  }
  std::set<std::string> above;
  if (AddFolder(path, above) == 0 && found_.problems.size() == problems) {
    Problem(path.string(),
            absl::StrCat("no images in this folder (", absl::StrJoin(kReadable, ", "), ")"));
  }
}

void Finder::AddFile(const fs::path& path) {
  const absl::StatusOr<std::string> absolute = AbsolutePath(path.string());
  if (!absolute.ok()) {
    found_.problems.emplace_back(absolute.status().message());
    return;
  }
  if (seen_.insert(fs::path(*absolute).lexically_normal().string()).second) {
    found_.images.push_back(path.string());
  }
}

std::optional<bool> Finder::IsFolder(const fs::path& path) {
  std::error_code error;
  const fs::file_type type = Examine(path, error);
  if (type != fs::file_type::none) return type == fs::file_type::directory;
  Problem(path.string(), Unreadable(error));
  return std::nullopt;
}

std::optional<std::string> Finder::Resolve(const fs::path& path) {
  absl::StatusOr<std::string> resolved = ResolvedPath(path.string());
  if (resolved.ok()) return *std::move(resolved);
  found_.problems.emplace_back(resolved.status().message());
  return std::nullopt;
}

std::vector<fs::path> Finder::List(const fs::path& folder) {
  std::vector<fs::path> paths;
  std::error_code error;
  fs::directory_iterator entries(folder.empty() ? "." : folder, error), end;
  for (; !error && entries != end; entries.increment(error)) {
    const fs::path name = entries->path().filename();
    if (name.string().front() == '.') continue;
    const fs::path path = folder / name;
    // Nobody can open such a folder. A file fails when it is read, if it is an image.
    std::error_code unknown;
    if (IsPathTooLong(path.string()) && !entries->is_regular_file(unknown)) {
      Problem(path.string(), absl::StrCat(kPathTooLong,
                                          "; its images are left out, unless the program is "
                                          "started in a folder nearer to them"));
      continue;
    }
    paths.push_back(path);
  }
  // Also in the middle: the rest of its images would be missing without a message.
  if (error) {
    Problem(folder.string(), absl::StrCat("the folder cannot be read: ", error.message()));
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

// `above`: the folders on the way here; a link back to one of them is not followed.
int64_t Finder::AddFolder(const fs::path& folder, std::set<std::string>& above) {
  const std::optional<std::string> resolved = Resolve(folder);
  if (!resolved || resolved == skipped_folder_ || !above.insert(*resolved).second) return 0;
  int64_t images = 0;
  for (const fs::path& path : List(folder)) {
    const std::string extension = FileExtension(path);
    const std::optional<bool> is_folder = IsFolder(path);
    if (!is_folder) continue;
    if (*is_folder) {
      images += AddFolder(path, above);
    } else if (absl::c_linear_search(kReadable, extension)) {
      AddFile(path);
      ++images;
    } else if (absl::c_linear_search(kOther, extension)) {
      ++found_.other_formats[extension];
    }
  }
  above.erase(*resolved);
  return images;
}

void Finder::AddPattern(const std::string& pattern) {
  const bool from_root = absl::StartsWith(pattern, "/");
  const std::vector<std::string> parts = absl::StrSplit(pattern, '/', absl::SkipEmpty());
  const size_t problems = found_.problems.size();
  std::set<fs::path> matches;
  Match(from_root ? "/" : "", parts, 0, matches);
  if (matches.empty() && found_.problems.size() == problems) {
    Problem(pattern, "no file matches this pattern");
  }
  for (const fs::path& match : matches) AddExisting(match);
}

void Finder::Match(const fs::path& folder, const std::vector<std::string>& parts, size_t first,
                   std::set<fs::path>& matches) {
  if (first == parts.size()) {
    if (!folder.empty() && !IsSkipped(folder)) matches.insert(folder);
    return;
  }
  const std::string& part = parts[first];
  const bool last = first + 1 == parts.size();
  std::error_code error;
  if (!HasWildcard(part)) {
    const fs::file_type type = Examine(folder / part, error);
    if (type == fs::file_type::none) Problem((folder / part).string(), Unreadable(error));
    if (Exists(type)) Match(folder / part, parts, first + 1, matches);
    return;
  }
  const bool any_depth = part == "**";
  if (any_depth && !last) Match(folder, parts, first + 1, matches);
  for (const fs::path& path : List(folder)) {
    if (!any_depth) {
      const bool matched = fnmatch(part.c_str(), path.filename().c_str(), FNM_PERIOD) == 0;
      if (matched && (last || IsFolder(path).value_or(false))) {
        Match(path, parts, first + 1, matches);
      }
      continue;
    }
    const fs::file_type type = fs::symlink_status(path, error).type();
    if (type == fs::file_type::none) {
      Problem(path.string(), Unreadable(error));
    } else if (type == fs::file_type::directory) {
      if (!IsSkipped(path)) Match(path, parts, first, matches);
    } else if (last) {
      Match(path, parts, parts.size(), matches);
    }
  }
}

}  // namespace

FoundInputs FindImages(const std::vector<std::string>& inputs, const FindOptions& options) {
  Finder finder(options);
  for (const std::string& input : inputs) finder.Add(input);
  return finder.Result();
}

}  // namespace rcnn::tools

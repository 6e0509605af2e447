#include "rcnn/tools/detect_inputs.h"

#include <fnmatch.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
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

bool Exists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

// Why there is nothing at `path`.
std::string WhyMissing(const std::string& path) {
  if (IsPathTooLong(path)) {
    return absl::StrCat(kPathTooLong, "; give files, folders or patterns to --input");
  }
  std::error_code error;
  const bool is_there = fs::exists(path, error);
  return is_there || !error ? "no such file or folder"
                            : absl::StrCat("cannot be read: ", error.message());
}

bool IsFolder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

// A unique name for a folder, independent of the path to it.
std::string Canonical(const fs::path& path) {
  std::error_code error;
  const fs::path canonical = fs::weakly_canonical(path, error);
  return error ? path.lexically_normal().string() : canonical.string();
}

bool HasWildcard(absl::string_view text) { return text.find_first_of("*?[") != text.npos; }

class Finder {
 public:
  explicit Finder(const FindOptions& options)
      : skipped_folder_(options.skipped_folder.empty() ? "" : Canonical(options.skipped_folder)) {}

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
  void Problem(absl::string_view path, absl::string_view what) {
    found_.problems.push_back(absl::StrCat(ShownPath(path), ": ", what));
  }

  const std::string skipped_folder_;
  FoundInputs found_;
  std::set<std::string> seen_;
};

void Finder::Add(const std::string& input) {
  if (Exists(input)) return AddExisting(input);
  if (absl::StrContains(input, ',')) {
    for (absl::string_view part : absl::StrSplit(input, ',', absl::SkipWhitespace())) {
      Add(std::string(absl::StripAsciiWhitespace(part)));
    }
    return;
  }
  if (HasWildcard(input)) return AddPattern(input);
  Problem(input, WhyMissing(input));
}

void Finder::AddExisting(const fs::path& path) {
  if (!IsFolder(path)) return AddFile(path);
  if (Canonical(path) == skipped_folder_) {
    return Problem(path.string(), "drawn images would be written here; choose another --output");
  }
  const size_t problems = found_.problems.size();
  std::set<std::string> above;
  if (AddFolder(path, above) == 0 && found_.problems.size() == problems) {
    Problem(path.string(),
            absl::StrCat("no images in this folder (", absl::StrJoin(kReadable, ", "), ")"));
  }
}

void Finder::AddFile(const fs::path& path) {
  if (seen_.insert(fs::absolute(path).lexically_normal().string()).second) {
    found_.images.push_back(path.string());
  }
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
  const std::string canonical = Canonical(folder);
  if (canonical == skipped_folder_ || !above.insert(canonical).second) return 0;
  int64_t images = 0;
  for (const fs::path& path : List(folder)) {
    const std::string extension = FileExtension(path);
    if (IsFolder(path)) {
      images += AddFolder(path, above);
    } else if (absl::c_linear_search(kReadable, extension)) {
      AddFile(path);
      ++images;
    } else if (absl::c_linear_search(kOther, extension)) {
      ++found_.other_formats[extension];
    }
  }
  above.erase(canonical);
  return images;
}

void Finder::AddPattern(const std::string& pattern) {
  const bool from_root = absl::StartsWith(pattern, "/");
  const std::vector<std::string> parts = absl::StrSplit(pattern, '/', absl::SkipEmpty());
  std::set<fs::path> matches;
  Match(from_root ? "/" : "", parts, 0, matches);
  if (matches.empty()) Problem(pattern, "no file matches this pattern");
  for (const fs::path& match : matches) AddExisting(match);
}

void Finder::Match(const fs::path& folder, const std::vector<std::string>& parts, size_t first,
                   std::set<fs::path>& matches) {
  if (first == parts.size()) {
    if (!folder.empty() && Canonical(folder) != skipped_folder_) matches.insert(folder);
    return;
  }
  const std::string& part = parts[first];
  const bool last = first + 1 == parts.size();
  if (!HasWildcard(part)) {
    if (Exists((folder / part).string())) Match(folder / part, parts, first + 1, matches);
    return;
  }
  const bool any_depth = part == "**";
  if (any_depth && !last) Match(folder, parts, first + 1, matches);
  for (const fs::path& path : List(folder)) {
    if (any_depth && IsFolder(path) && !fs::is_symlink(path)) {
      if (Canonical(path) != skipped_folder_) Match(path, parts, first, matches);
    } else if (any_depth ? last
                         : fnmatch(part.c_str(), path.filename().c_str(), FNM_PERIOD) == 0 &&
                               (last || IsFolder(path))) {
      Match(path, parts, any_depth ? parts.size() : first + 1, matches);
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

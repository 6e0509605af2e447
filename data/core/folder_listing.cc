#include "rcnn/data/core/folder_listing.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/errno_status.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/image_names.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

// Deeper than any dataset, and shallow enough for the stack.
constexpr size_t kMaxDepth = 64;

bool IsHidden(absl::string_view name) { return name[0] == '.' || name == "__MACOSX"; }

// Whether a link is known to lead nowhere.
bool LeadsNowhere(const std::error_code& error) {
  return error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory ||
         error == std::errc::too_many_symbolic_link_levels;
}

absl::Status CannotRead(const fs::path& path, const std::error_code& error) {
  const bool denied = error == std::errc::permission_denied;
  return absl::Status(ErrorNumberStatus(error.value(), "read", "").code(),
                      absl::StrCat(path.string(), ": cannot read: ", error.message(),
                                   denied ? "; allow it with chmod -R u+rX, or move it away" : ""));
}

// Whether a run directory has images that no run writes.
absl::StatusOr<bool> HoldsOtherImages(const fs::path& run) {
  std::error_code error;
  fs::recursive_directory_iterator entry(run, error);
  for (; !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const bool top = entry.depth() == 0;
    if (IsHidden(name) || (top && (name == "stages" || name == "split"))) {
      entry.disable_recursion_pending();
    } else if (HasImageExtension(name) && !(top && name == "contact_sheet.jpg")) {
      return true;
    }
  }
  // A run that goes on deletes folders.
  if (error && !LeadsNowhere(error)) return CannotRead(run, error);
  return false;
}

// Whether `folder` has one of two names, of that type.
absl::StatusOr<bool> HasOne(const fs::path& folder, const char* one, const char* other,
                            fs::file_type wanted) {
  for (const char* const name : {one, other}) {
    std::error_code error;
    const fs::file_type type = fs::status(folder / name, error).type();
    if (type == wanted) return true;
    if (error && !LeadsNowhere(error)) return CannotRead(folder, error);
  }
  return false;
}

// The directory of a run, whose lists and contact sheets are not part of the dataset around it. A
// config alone may lie in a folder of images too.
absl::StatusOr<bool> IsRun(const fs::path& folder) {
  RCNN_ASSIGN_OR_RETURN(
      const bool has_config,
      HasOne(folder, "plan_basis.textproto", "experiment.textproto", fs::file_type::regular));
  if (!has_config) return false;
  return HasOne(folder, "stages", "split", fs::file_type::directory);
}

class Lister {
 public:
  Lister(fs::path root, const ListingOptions& options)
      : root_(std::move(root)), options_(options) {}

  absl::Status List() {
    std::error_code error;
    real_root_ = fs::canonical(root_, error);
    if (error) return CannotRead(root_, error);
    const bool is_folder = fs::is_directory(root_, error);
    if (error) return CannotRead(root_, error);
    if (!is_folder) {
      return absl::NotFoundError(absl::StrCat(root_.string(), ": not a folder"));
    }
    return Visit("");
  }

  std::vector<std::string> files;
  std::vector<std::string> runs_with_images;

 private:
  // around_ has the device and inode of each enclosing folder: a repetition is a loop.
  absl::Status Visit(const std::string& relative) {
    const fs::path path = relative.empty() ? root_ : root_ / relative;
    struct stat status = {};
    if (stat(path.c_str(), &status) != 0) {
      return CannotRead(path, std::error_code(errno, std::generic_category()));
    }
    const std::pair<dev_t, ino_t> identity(status.st_dev, status.st_ino);
    if (std::find(around_.begin(), around_.end(), identity) != around_.end()) {
      return absl::FailedPreconditionError(
          absl::StrCat(path.string(), ": this link leads to a folder that contains it; remove it"));
    }
    if (around_.size() > kMaxDepth) {
      return absl::FailedPreconditionError(
          absl::StrCat(path.string(), ": more than ", kMaxDepth, " nested folders"));
    }
    around_.push_back(identity);
    std::error_code error;
    fs::directory_iterator entry(path, error);
    for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
      RCNN_RETURN_IF_ERROR(Take(relative, *entry));
    }
    around_.pop_back();
    return error ? CannotRead(path, error) : absl::OkStatus();
  }

  absl::Status Take(const std::string& folder, const fs::directory_entry& entry) {
    const std::string name = entry.path().filename().string();
    if (IsHidden(name)) return absl::OkStatus();
    std::string relative = JoinParts(folder, name);
    std::error_code error;
    const bool is_link = entry.is_symlink(error);
    if (error && !LeadsNowhere(error)) return CannotRead(entry.path(), error);
    if (is_link && !options_.follow_links) RCNN_RETURN_IF_ERROR(CheckStaysInside(entry.path()));
    if (entry.is_directory(error)) {
      RCNN_ASSIGN_OR_RETURN(const bool is_run, IsRun(entry.path()));
      if (!is_run) return Visit(relative);
      RCNN_ASSIGN_OR_RETURN(const bool holds_images, HoldsOtherImages(entry.path()));
      if (holds_images) runs_with_images.push_back(std::move(relative));
      return absl::OkStatus();
    }
    if (error && !LeadsNowhere(error)) return CannotRead(entry.path(), error);
    const bool is_file = entry.is_regular_file(error);
    if (error && !LeadsNowhere(error)) return CannotRead(entry.path(), error);
    if (is_file) files.push_back(std::move(relative));
    return absl::OkStatus();
  }

  absl::Status CheckStaysInside(const fs::path& link) const {
    std::error_code error;
    const std::string target = fs::canonical(link, error).string();
    if (!error && absl::StartsWith(target, absl::StrCat(real_root_.string(), "/"))) {
      return absl::OkStatus();
    }
    return absl::PermissionDeniedError(
        absl::StrCat(link.string(), ": this link points outside the folder",
                     error ? "" : absl::StrCat(", to ", target), ", and --nofollow_links is set"));
  }

  const fs::path root_;
  const ListingOptions& options_;
  fs::path real_root_;
  std::vector<std::pair<dev_t, ino_t>> around_;
};

}  // namespace

absl::StatusOr<std::vector<std::string>> ListFiles(const std::string& folder,
                                                   const ListingOptions& options,
                                                   std::vector<std::string>* runs_with_images) {
  Lister lister(folder.empty() ? "." : folder, options);
  RCNN_RETURN_IF_ERROR(lister.List());
  std::sort(lister.files.begin(), lister.files.end());
  std::sort(lister.runs_with_images.begin(), lister.runs_with_images.end());
  if (runs_with_images != nullptr) *runs_with_images = std::move(lister.runs_with_images);
  return std::move(lister.files);
}

absl::string_view ParentPart(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? "" : path.substr(0, slash);
}

absl::string_view FilePart(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? path : path.substr(slash + 1);
}

absl::string_view StemPart(absl::string_view path) {
  const absl::string_view file = FilePart(path);
  const size_t dot = file.rfind('.');
  return dot == absl::string_view::npos || dot == 0 ? file : file.substr(0, dot);
}

std::string JoinParts(absl::string_view folder, absl::string_view file) {
  if (folder.empty()) return std::string(file);
  if (file.empty()) return std::string(folder);
  return absl::StrCat(folder, "/", file);
}

bool IsInside(absl::string_view path, absl::string_view folder) {
  if (folder.empty() || path == folder) return true;
  return path.size() > folder.size() && path[folder.size()] == '/' &&
         absl::StartsWith(path, folder);
}

absl::string_view PathInside(absl::string_view path, absl::string_view folder) {
  if (folder.empty()) return path;
  return path.size() <= folder.size() ? "" : path.substr(folder.size() + 1);
}

}  // namespace rcnn::data

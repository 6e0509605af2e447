#include "rcnn/base/user_cache.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <tuple>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/errno_status.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/stored_file.h"

namespace rcnn {
namespace {

struct File {
  int64_t seconds, nanoseconds;  // of the last modification
  std::string path;
  int64_t bytes;
};

bool IsOlder(const File& a, const File& b) {
  return std::tie(a.seconds, a.nanoseconds, a.path) < std::tie(b.seconds, b.nanoseconds, b.path);
}

absl::StatusOr<std::vector<File>> ListFiles(const std::string& folder, absl::string_view marker) {
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListNames(folder));
  std::vector<File> files;
  for (const std::string& name : names) {
    if (!absl::StrContains(name, marker)) continue;
    const std::string path = absl::StrCat(folder, "/", name);
    struct stat status = {};
    if (lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
    files.push_back({status.st_mtim.tv_sec, status.st_mtim.tv_nsec, path, status.st_size});
  }
  return files;
}

}  // namespace

std::string UserCacheFolder(absl::string_view name) {
  const char* const cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && cache[0] == '/') return absl::StrCat(cache, "/rcnn/", name);
  const char* const home = std::getenv("HOME");
  if (home != nullptr && home[0] == '/') return absl::StrCat(home, "/.cache/rcnn/", name);
  return "";
}

absl::Status CreateCacheFolder(const std::string& folder) {
  RCNN_ASSIGN_OR_RETURN(const bool exists, PathExists(folder));
  if (exists) return absl::OkStatus();
  RCNN_RETURN_IF_ERROR(CreateDirectories(folder));
  if (chmod(folder.c_str(), 0700) != 0) return ErrnoStatus("protect", folder);
  return absl::OkStatus();
}

absl::Status LimitFolderBytes(const std::string& folder, absl::string_view marker,
                              int64_t max_bytes) {
  RCNN_ASSIGN_OR_RETURN(std::vector<File> files, ListFiles(folder, marker));
  std::sort(files.begin(), files.end(), IsOlder);
  int64_t total = 0;
  for (const File& file : files) total += file.bytes;
  for (const File& file : files) {
    if (total <= max_bytes) break;
    RCNN_RETURN_IF_ERROR(RemovePath(file.path));
    total -= file.bytes;
  }
  return absl::OkStatus();
}

}  // namespace rcnn

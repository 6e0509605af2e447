#include "rcnn/tools/detect_names.h"

#include <limits.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/absolute_path.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/image_names.h"

namespace rcnn::tools {
namespace {

namespace fs = std::filesystem;

fs::path CommonFolder(const fs::path& a, const fs::path& b) {
  const auto end = std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first;
  fs::path common;
  for (auto part = a.begin(); part != end; ++part) common /= *part;
  return common;
}

bool IsContinuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

// `name` and `ending`, without the first bytes of the name's last part if that part would be longer
// than a file system allows.
std::string FittingName(absl::string_view name, absl::string_view ending) {
  const size_t slash = name.rfind('/');
  const size_t start = slash == absl::string_view::npos ? 0 : slash + 1;
  const size_t size = name.size() - start + ending.size();
  size_t cut = size > NAME_MAX ? size - NAME_MAX : 0;
  // A character of UTF-8 has at most three bytes after its first.
  for (int i = 0; cut > 0 && i < 3 && IsContinuation(name[start + cut]); ++i) ++cut;
  return absl::StrCat(name.substr(0, start), name.substr(start + cut), ending);
}

// All folders of the names, "a" and "a/b" for "a/b/c.png".
std::set<std::string> Folders(const std::vector<std::string>& names) {
  std::set<std::string> folders;
  for (const std::string& name : names) {
    for (size_t end = name.rfind('/'); end != std::string::npos && end > 0;
         end = name.rfind('/', end - 1)) {
      if (!folders.insert(name.substr(0, end)).second) break;
    }
  }
  return folders;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ListNames(const std::vector<std::string>& paths) {
  std::vector<fs::path> files;
  for (const std::string& path : paths) {
    RCNN_ASSIGN_OR_RETURN(const fs::path absolute, AbsolutePath(path));
    files.push_back(absolute.lexically_normal());
  }
  if (files.empty()) return std::vector<std::string>();
  fs::path common = files.front().parent_path();
  for (const fs::path& file : files) common = CommonFolder(common, file.parent_path());
  std::vector<std::string> names;
  for (const fs::path& file : files) names.push_back(file.lexically_relative(common).string());
  return names;
}

std::vector<std::string> DrawnNames(const std::vector<std::string>& names) {
  std::set<std::string> taken = Folders(names);
  // The next number to try, by the name that was taken.
  std::map<std::string, int64_t> next;
  // The name of the drawn image, which is taken from then on.
  const auto take = [&](const std::string& name) {
    std::string candidate = FittingName(data::WithoutImageExtension(name), ".jpg");
    if (taken.insert(candidate).second) return candidate;
    candidate = FittingName(name, ".jpg");
    if (taken.insert(candidate).second) return candidate;
    int64_t& number = next.try_emplace(candidate, 2).first->second;
    do {
      candidate = FittingName(name, absl::StrCat("_", number++, ".jpg"));
    } while (!taken.insert(candidate).second);
    return candidate;
  };
  std::vector<std::string> drawn;
  for (const std::string& name : names) drawn.push_back(take(name));
  return drawn;
}

}  // namespace rcnn::tools

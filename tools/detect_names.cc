#include "rcnn/tools/detect_names.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
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

}  // namespace

std::vector<std::string> ListNames(const std::vector<std::string>& paths) {
  std::vector<fs::path> files;
  for (const std::string& path : paths) files.push_back(fs::absolute(path).lexically_normal());
  if (files.empty()) return {};
  fs::path common = files.front().parent_path();
  for (const fs::path& file : files) common = CommonFolder(common, file.parent_path());
  std::vector<std::string> names;
  for (const fs::path& file : files) names.push_back(file.lexically_relative(common).string());
  return names;
}

std::vector<std::string> DrawnNames(const std::vector<std::string>& names) {
  std::set<std::string> taken;
  std::vector<std::string> drawn;
  for (const std::string& name : names) {
    std::string candidate = absl::StrCat(data::WithoutImageExtension(name), ".jpg");
    if (!taken.insert(candidate).second) {
      candidate = absl::StrCat(name, ".jpg");
      for (int i = 2; !taken.insert(candidate).second; ++i) {
        candidate = absl::StrCat(name, "_", i, ".jpg");
      }
    }
    drawn.push_back(candidate);
  }
  return drawn;
}

}  // namespace rcnn::tools

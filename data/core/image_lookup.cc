#include "rcnn/data/core/image_lookup.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <system_error>
#include <tuple>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/errno_status.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/data/core/image_names.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

constexpr std::array<absl::string_view, 7> kFirst = {".jpg",  ".jpeg", ".png", ".bmp",
                                                     ".webp", ".jpe",  ".jfif"};

std::pair<std::string, std::string> SplitFolder(absl::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == absl::string_view::npos) return {"", std::string(path)};
  return {std::string(path.substr(0, slash)), std::string(path.substr(slash + 1))};
}

// Smaller is better.
std::tuple<bool, size_t, std::string> Rank(absl::string_view file) {
  const std::string extension =
      absl::AsciiStrToLower(file.substr(WithoutImageExtension(file).size()));
  const auto place = std::find(kFirst.begin(), kFirst.end(), extension);
  const bool lower = absl::EndsWith(file, extension);
  return {!lower, static_cast<size_t>(place - kFirst.begin()), std::string(file)};
}

}  // namespace

const ImageLookup::Listing& ImageLookup::List(const std::string& subfolder) {
  const auto [found, is_new] = listings_.try_emplace(subfolder);
  if (!is_new) return found->second;
  Listing& listing = found->second;
  std::error_code error;
  fs::directory_iterator entry(fs::path(folder_) / subfolder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    const std::string file = entry->path().filename().string();
    const std::string stem = WithoutImageExtension(file);
    if (stem.size() == file.size() || absl::StartsWith(file, "._")) continue;
    listing[stem].push_back(file);
  }
  if (error) {
    KeepUnreadable(
        ErrorNumberStatus(error.value(), "list", (fs::path(folder_) / subfolder).string()),
        status_);
  }
  for (auto& [stem, files] : listing) {
    std::sort(files.begin(), files.end(),
              [](const std::string& a, const std::string& b) { return Rank(a) < Rank(b); });
  }
  return listing;
}

std::vector<std::string> ImageLookup::FindByStem(absl::string_view stem) {
  const auto [subfolder, name] = SplitFolder(stem);
  const Listing& listing = List(subfolder);
  const auto found = listing.find(name);
  if (found == listing.end()) return {};
  std::vector<std::string> files;
  for (const std::string& file : found->second) {
    files.push_back(subfolder.empty() ? file : absl::StrCat(subfolder, "/", file));
  }
  return files;
}

bool ImageLookup::Has(absl::string_view file) {
  const auto [subfolder, name] = SplitFolder(file);
  const Listing& listing = List(subfolder);
  const auto found = listing.find(WithoutImageExtension(name));
  return found != listing.end() &&
         std::find(found->second.begin(), found->second.end(), name) != found->second.end();
}

absl::string_view BaseName(absl::string_view name) {
  const size_t slash = name.find_last_of("/\\");
  return slash == absl::string_view::npos ? name : name.substr(slash + 1);
}

}  // namespace rcnn::data

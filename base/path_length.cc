#include "rcnn/base/path_length.h"

#include <limits.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace rcnn {
namespace {

static_assert(NAME_MAX == 255 && PATH_MAX == 4096, "kPathTooLong names other limits");

constexpr size_t kShownBytes = 60;
// ".tmp-<process>-<number>", two numbers of at most ten digits.
constexpr size_t kTemporaryBytes = 26;

bool IsContinuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

}  // namespace

bool IsPathTooLong(absl::string_view path) {
  if (path.size() >= PATH_MAX) return true;
  const std::vector<absl::string_view> names = absl::StrSplit(path, '/');
  return std::any_of(names.begin(), names.end(),
                     [](absl::string_view name) { return name.size() > NAME_MAX; });
}

bool IsPathTooLongToWrite(absl::string_view path) {
  return IsPathTooLong(path) || path.size() + kTemporaryBytes >= PATH_MAX;
}

std::string ShownPath(absl::string_view path) {
  if (!IsPathTooLong(path)) return std::string(path);
  size_t size = kShownBytes;
  while (size > 0 && IsContinuation(path[size])) --size;
  return absl::StrCat(path.substr(0, size), "... (", path.size(), " bytes)");
}

std::string ShownFlag(absl::string_view flag, absl::string_view path) {
  return absl::StrCat(flag, flag.empty() ? "" : "=", ShownPath(path));
}

absl::Status CheckPathLength(absl::string_view flag, absl::string_view path,
                             absl::string_view advice) {
  if (!IsPathTooLong(path)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(ShownFlag(flag, path), ": ", kPathTooLong, "; ", advice));
}

}  // namespace rcnn

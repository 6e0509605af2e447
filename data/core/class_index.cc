#include "rcnn/data/core/class_index.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace rcnn::data {

bool IsClassName(absl::string_view name) {
  return !name.empty() && std::none_of(name.begin(), name.end(), absl::ascii_iscntrl);
}

absl::StatusOr<ClassIndex> ClassIndex::Create(const std::vector<std::string>& names) {
  if (names.empty()) return absl::InvalidArgumentError("no classes");
  ClassIndex index;
  for (const std::string& name : names) {
    if (!IsClassName(name)) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", absl::Utf8SafeCHexEscape(name), "\" is not a class name"));
    }
    const int64_t label = static_cast<int64_t>(index.labels_.size()) + 1;
    if (!index.labels_.emplace(name, label).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("the class \"", name, "\" is listed twice; remove one of them"));
    }
  }
  return index;
}

int64_t ClassIndex::FindLabel(absl::string_view name) const {
  const auto found = labels_.find(name);
  return found == labels_.end() ? 0 : found->second;
}

}  // namespace rcnn::data

#include "rcnn/eval/coco_flags.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::eval {
namespace {

absl::Status AddArea(absl::string_view text, std::vector<AreaRange>& areas) {
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  AreaRange range;
  if (parts.size() != 3 || parts[0].empty() || !absl::SimpleAtod(parts[1], &range.low) ||
      !absl::SimpleAtod(parts[2], &range.high)) {
    return absl::InvalidArgumentError(absl::StrCat("--areas: '", text, "' is not NAME:LOW:HIGH"));
  }
  range.name = parts[0];
  for (AreaRange& known : areas) {
    if (known.name == range.name) return known = range, absl::OkStatus();
  }
  areas.push_back(range);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<double>> ParseNumbers(const std::string& flag, absl::string_view text) {
  std::vector<double> numbers;
  for (absl::string_view part : absl::StrSplit(text, ',', absl::SkipWhitespace())) {
    double number = 0;
    if (!absl::SimpleAtod(part, &number)) {
      return absl::InvalidArgumentError(absl::StrCat("--", flag, ": '", part, "' is not a number"));
    }
    numbers.push_back(number);
  }
  return numbers;
}

absl::StatusOr<std::vector<int64_t>> ParseCounts(const std::string& flag, absl::string_view text) {
  std::vector<int64_t> counts;
  for (absl::string_view part : absl::StrSplit(text, ',', absl::SkipWhitespace())) {
    int64_t count = 0;
    if (!absl::SimpleAtoi(part, &count) || count < 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("--", flag, ": '", part, "' is not a whole number >= 1"));
    }
    if (std::find(counts.begin(), counts.end(), count) != counts.end()) {
      return absl::InvalidArgumentError(absl::StrCat("--", flag, ": ", count, " is a duplicate"));
    }
    counts.push_back(count);
  }
  return counts;
}

absl::Status AddAreas(absl::string_view text, std::vector<AreaRange>& areas) {
  for (const absl::string_view area : absl::StrSplit(text, ',', absl::SkipWhitespace())) {
    RCNN_RETURN_IF_ERROR(AddArea(area, areas));
  }
  return absl::OkStatus();
}

}  // namespace rcnn::eval

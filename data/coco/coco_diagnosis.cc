#include "rcnn/data/coco/coco_diagnosis.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace rcnn::data {
namespace {

// With or without a byte order mark: JSON begins with two characters of ASCII.
bool IsWideText(absl::string_view bytes) {
  if (absl::StartsWith(bytes, "\xff\xfe") || absl::StartsWith(bytes, "\xfe\xff")) return true;
  if (bytes.size() < 4) return false;
  const auto zeros = std::count(bytes.begin(), bytes.begin() + 4, '\0');
  return zeros >= 2;
}

}  // namespace

std::optional<std::string> DescribeOtherFormat(absl::string_view bytes) {
  if (absl::StartsWith(bytes, "version https://git-lfs.github.com/spec/")) {
    return "a Git LFS pointer, not the file itself: fetch it with `git lfs pull`";
  }
  if (IsWideText(bytes)) {
    return "the text is UTF-16 or UTF-32, and JSON is UTF-8: save it as UTF-8, for example with "
           "`iconv -f UTF-16 -t UTF-8`";
  }
  return std::nullopt;
}

std::optional<std::string> DescribeTrailingComma(absl::string_view json) {
  constexpr size_t kNone = absl::string_view::npos;
  size_t comma = kNone;  // the last character, spaces apart, if it was a comma
  int64_t line = 1;
  bool quoted = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    line += c == '\n' ? 1 : 0;
    if (quoted) {
      if (c == '\\') ++i;
      quoted = c != '"';
      continue;
    }
    if (absl::ascii_isspace(static_cast<unsigned char>(c))) continue;
    if (comma != kNone && (c == ']' || c == '}')) {
      return absl::StrCat("not valid JSON: a comma before '", std::string(1, c), "' in line ", line,
                          " (byte ", comma, "); remove the comma");
    }
    quoted = c == '"';
    comma = c == ',' ? i : kNone;
  }
  return std::nullopt;
}

}  // namespace rcnn::data

#include "rcnn/data/core/json_diagnosis.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/git_lfs_pointer.h"

namespace rcnn::data {
namespace {

// As iconv calls it. Of the first characters, which are ASCII or a byte order mark, UTF-32 has two
// zero bytes in a row. The order of bytes is named where no byte order mark tells it.
std::string GuessWideEncoding(absl::string_view bytes) {
  const bool low_first = bytes[0] != '\0';
  const bool is_32 = low_first ? bytes[2] == '\0' && bytes[3] == '\0' : bytes[1] == '\0';
  const bool marked = absl::StartsWith(bytes, "\xff\xfe") || absl::StartsWith(bytes, "\xfe\xff") ||
                      absl::StartsWith(bytes, absl::string_view("\0\0\xfe\xff", 4));
  return absl::StrCat("UTF-", is_32 ? 32 : 16, marked ? "" : low_first ? "LE" : "BE");
}

}  // namespace

bool IsWideText(absl::string_view bytes) {
  if (bytes.size() < 4) return false;
  if (absl::StartsWith(bytes, "\xff\xfe") || absl::StartsWith(bytes, "\xfe\xff")) return true;
  const auto zeros = std::count(bytes.begin(), bytes.begin() + 4, '\0');
  return zeros >= 2;
}

std::optional<std::string> DescribeOtherFormat(absl::string_view bytes) {
  if (IsGitLfsPointer(bytes)) return kGitLfsPointer;
  if (IsWideText(bytes)) {
    return absl::StrCat(
        "the text is UTF-16 or UTF-32, and JSON is UTF-8: save it as UTF-8, for "
        "example with `iconv -f ",
        GuessWideEncoding(bytes), " -t UTF-8`");
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

#include "rcnn/data/voc/voc_split.h"

#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "rcnn/data/core/image_names.h"

namespace rcnn::data {
namespace {

// At most this many numbers after a name are tried as columns.
constexpr int kMostColumns = 16;

// Removes the last column if it is a whole number and not the only column.
bool RemoveNumber(absl::string_view& line, int& number) {
  const size_t space = line.find_last_of(" \t");
  if (space == absl::string_view::npos) return false;
  const absl::string_view rest = absl::StripAsciiWhitespace(line.substr(0, space));
  if (rest.empty() || !absl::SimpleAtoi(line.substr(space + 1), &number)) return false;
  line = rest;
  return true;
}

std::string ParseLine(absl::string_view line,
                      const std::function<bool(const std::string&)>& is_annotated) {
  int number = 0;
  if (is_annotated) {
    absl::string_view rest = line;
    for (int column = 0; column <= kMostColumns; ++column) {
      std::string name = WithoutImageExtension(rest);
      if (is_annotated(name)) return name;
      if (!RemoveNumber(rest, number)) break;
    }
  }
  absl::string_view rest = line;
  if (RemoveNumber(rest, number) && number >= -1 && number <= 1) line = rest;
  return WithoutImageExtension(line);
}

}  // namespace

std::vector<std::string> ParseVocSplit(
    absl::string_view text, const std::function<bool(const std::string&)>& is_annotated) {
  std::vector<std::string> names;
  for (absl::string_view line : absl::StrSplit(text, absl::ByAnyChar("\r\n"))) {
    line = absl::StripAsciiWhitespace(line);
    if (!line.empty()) names.push_back(ParseLine(line, is_annotated));
  }
  return names;
}

}  // namespace rcnn::data

#include "rcnn/eval/json_array.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::eval {
namespace {

constexpr size_t kNone = absl::string_view::npos;

bool IsSpace(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

size_t SkipSpace(absl::string_view text, size_t at) {
  while (at < text.size() && IsSpace(text[at])) ++at;
  return at;
}

absl::string_view StripSpace(absl::string_view text) {
  text.remove_prefix(SkipSpace(text, 0));
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

// The position of the next comma between two objects from `at` on.
size_t FindCut(absl::string_view text, size_t at) {
  while (at < text.size()) {
    const void* brace = std::memchr(text.data() + at, '}', text.size() - at);
    if (brace == nullptr) return kNone;
    const size_t comma =
        SkipSpace(text, static_cast<size_t>(static_cast<const char*>(brace) - text.data()) + 1);
    if (comma >= text.size()) return kNone;
    const size_t next = SkipSpace(text, comma + 1);
    if (text[comma] == ',' && next < text.size() && text[next] == '{') return comma;
    at = comma;
  }
  return kNone;
}

// The position of the comma or bracket that ends the element starting at `at`,
// text.size() if there is none.
size_t FindElementEnd(absl::string_view text, size_t at) {
  int64_t depth = 0;
  bool in_string = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (in_string) {
      if (c == '\\') ++at;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (depth == 0 && (c == ',' || c == ']')) return at;
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
  }
  return text.size();
}

}  // namespace

std::vector<absl::string_view> SplitObjectArray(absl::string_view json, int64_t piece_bytes) {
  absl::string_view text = StripSpace(json);
  if (text.size() < 2 || text.front() != '[' || text.back() != ']') return {};
  text = text.substr(1, text.size() - 2);
  std::vector<absl::string_view> pieces;
  while (text.size() > static_cast<size_t>(piece_bytes)) {
    const size_t comma = FindCut(text, static_cast<size_t>(piece_bytes) - 1);
    if (comma == kNone) break;
    pieces.push_back(text.substr(0, comma));
    text.remove_prefix(comma + 1);
  }
  pieces.push_back(text);
  return pieces;
}

absl::Status ForEachArrayElement(absl::string_view json,
                                 absl::FunctionRef<absl::Status(absl::string_view)> visit) {
  const absl::string_view text = StripSpace(json);
  if (text.empty()) return absl::InvalidArgumentError("the file is empty, not a JSON array");
  if (text[0] != '[')
    return absl::InvalidArgumentError(
        "is not a JSON array: it does not start "
        "with '['");
  size_t at = SkipSpace(text, 1);
  if (at + 1 == text.size() && text[at] == ']') return absl::OkStatus();
  for (int64_t record = 0;; ++record) {
    const size_t end = FindElementEnd(text, at);
    const auto byte = static_cast<int64_t>(text.data() + at - json.data());
    const std::string name = absl::StrCat("record ", record, " (the first is 0), at byte ", byte);
    if (end >= text.size()) {
      return absl::InvalidArgumentError(absl::StrCat("the text ends inside ", name));
    }
    RCNN_RETURN_IF_ERROR(visit(StripSpace(text.substr(at, end - at))), name);
    if (text[end] == ']' && end + 1 == text.size()) return absl::OkStatus();
    if (text[end] == ']') {
      return absl::InvalidArgumentError(absl::StrCat("text follows the array after ", name));
    }
    at = SkipSpace(text, end + 1);
  }
}

std::string DescribeJsonError(absl::string_view text) {
  for (absl::string_view word : {"NaN", "Infinity"}) {
    if (text.find(word) != kNone) return absl::StrCat("has ", word, ", which is not JSON");
  }
  return "is not valid JSON, or has a number beyond a double or a 64-bit integer";
}

}  // namespace rcnn::eval

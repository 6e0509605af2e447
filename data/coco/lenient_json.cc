#include "rcnn/data/coco/lenient_json.h"

#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace rcnn::data {

std::string ExplainJsonError(simdjson::error_code code) {
  switch (code) {
    case simdjson::EMPTY:
      return "the file is empty";
    case simdjson::INCORRECT_TYPE:
      return "has the wrong type";
    case simdjson::INCOMPLETE_ARRAY_OR_OBJECT:
      return "cut off: the JSON ends inside an array or an object";
    case simdjson::TAPE_ERROR:
      return "not valid JSON: a comma, a brace or a key is missing or extra";
    case simdjson::UNCLOSED_STRING:
      return "not valid JSON: a string is never closed";
    case simdjson::UTF8_ERROR:
      return "not valid JSON: it is not UTF-8";
    default:
      return absl::StrCat("not valid JSON: ", simdjson::error_message(code));
  }
}

std::string ShownValue(absl::string_view json, simdjson::ondemand::value value) {
  constexpr size_t kLongest = 40;
  const char* const start = value.raw_json_token().data();
  const absl::string_view rest(start, static_cast<size_t>(json.data() + json.size() - start));
  int depth = 0;
  size_t size = 0;
  for (bool quoted = false; size < rest.size(); ++size) {
    const char c = rest[size];
    if (quoted) {
      if (c == '\\') ++size;
      quoted = c != '"';
      continue;
    }
    quoted = c == '"';
    if (c == '[' || c == '{') ++depth;
    const bool closes = c == ']' || c == '}';
    if ((closes || c == ',' || c == '\n') && depth == 0) break;
    if (closes && --depth == 0) {
      ++size;
      break;
    }
  }
  const absl::string_view text = absl::StripAsciiWhitespace(rest.substr(0, size));
  return text.size() <= kLongest ? std::string(text)
                                 : absl::StrCat(text.substr(0, kLongest), "...");
}

}  // namespace rcnn::data

// Values of a JSON document that is read in one pass, as tools write them: numbers as strings,
// marks as booleans or numbers. With texts of errors for users.
//
// For simdjson's on-demand reader, which reads each value at most once and keeps no tree. The
// functions that return a bool return false for a value of another kind, and may have read it then.
//
// Example:
//   const auto error =
//       ForEachField(object, [&](std::string_view key, simdjson::ondemand::value value) {
//         if (key == "id" && !GetWhole(value, id)) bad = ShownValue(json, value);
//         return simdjson::SUCCESS;
//       });
//   if (error) return absl::InvalidArgumentError(ExplainJsonError(error));

#ifndef RCNN_DATA_COCO_LENIENT_JSON_H_
#define RCNN_DATA_COCO_LENIENT_JSON_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "simdjson.h"

namespace rcnn::data {

// What is wrong with a document, in a user's words.
std::string ExplainJsonError(simdjson::error_code code);

// The name of a field, valid until the next field is read.
simdjson::error_code GetKey(simdjson::ondemand::field& field, std::string_view& key);

// Calls visit(key, value) for every field of an object, until it returns an error, which is
// returned. visit may leave the value unread.
template <typename Visit>
simdjson::error_code ForEachField(simdjson::ondemand::object object, Visit&& visit) {
  for (auto maybe_field : object) {
    simdjson::ondemand::field field;
    if (auto error = std::move(maybe_field).get(field)) return error;
    std::string_view key;
    if (auto error = GetKey(field, key)) return error;
    if (auto error = visit(key, field.value())) return error;
  }
  return simdjson::SUCCESS;
}

bool IsNull(simdjson::ondemand::value value);

// The document `json` from the value on; the value stays unread.
absl::string_view TextFrom(absl::string_view json, simdjson::ondemand::value value);

// The text of a value of `json` for a message, on one line and shortened. Also of a value that was
// read.
std::string ShownValue(absl::string_view json, simdjson::ondemand::value value);

// A whole number, also one written as 17.0 or "17".
bool GetWhole(simdjson::ondemand::value value, int64_t& result);
// A number that is not infinite.
bool GetFinite(simdjson::ondemand::value value, double& result);
// A boolean, or a whole number: 0 is false, any other true.
bool GetMark(simdjson::ondemand::value value, bool& result);
bool GetText(simdjson::ondemand::value value, std::string& result);

// Inline, as all fields of a file of a gigabyte pass here.

namespace lenient_json_internal {

inline bool IsDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

}  // namespace lenient_json_internal

// A name without escapes is a view of the document; simdjson would copy it into a buffer that grows
// until the document ends.
inline simdjson::error_code GetKey(simdjson::ondemand::field& field, std::string_view& key) {
  const char* const begin = field.key().raw();
  const char* end = begin;
  while (*end != '"' && *end != '\\') ++end;
  if (*end == '\\') return field.unescaped_key().get(key);
  key = std::string_view(begin, static_cast<size_t>(end - begin));
  return simdjson::SUCCESS;
}

inline bool IsNull(simdjson::ondemand::value value) {
  const std::string_view token = value.raw_json_token();
  return token.substr(0, 4) == "null";
}

inline absl::string_view TextFrom(absl::string_view json, simdjson::ondemand::value value) {
  const char* const start = value.raw_json_token().data();
  return json.substr(static_cast<size_t>(start - json.data()));
}

inline bool GetWhole(simdjson::ondemand::value value, int64_t& result) {
  if (value.get_int64().get(result) == simdjson::SUCCESS) return true;
  double number = 0;
  if (value.get_double().get(number) == simdjson::SUCCESS) {
    if (number != std::floor(number) || std::abs(number) > 9e15) return false;
    result = static_cast<int64_t>(number);
    return true;
  }
  std::string_view text;
  return value.get_string().get(text) == simdjson::SUCCESS &&
         lenient_json_internal::IsDigits(text) &&
         absl::SimpleAtoi(absl::string_view(text.data(), text.size()), &result);
}

inline bool GetFinite(simdjson::ondemand::value value, double& result) {
  return value.get_double().get(result) == simdjson::SUCCESS && std::isfinite(result);
}

inline bool GetMark(simdjson::ondemand::value value, bool& result) {
  if (value.get_bool().get(result) == simdjson::SUCCESS) return true;
  int64_t number = 0;
  if (!GetWhole(value, number)) return false;
  result = number != 0;
  return true;
}

inline bool GetText(simdjson::ondemand::value value, std::string& result) {
  std::string_view text;
  if (value.get_string().get(text) != simdjson::SUCCESS) return false;
  result = std::string(text);
  return true;
}

}  // namespace rcnn::data

#endif  // RCNN_DATA_COCO_LENIENT_JSON_H_

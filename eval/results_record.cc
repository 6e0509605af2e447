#include "rcnn/eval/results_record.h"

#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::eval {
namespace {

using simdjson::dom::element;

absl::Status Invalid(absl::string_view field, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("\"", field, "\" ", what));
}

bool ToId(element value, int64_t& id) {
  if (value.get(id) == simdjson::SUCCESS) return true;
  double number = 0;
  if (value.get(number) != simdjson::SUCCESS) return false;
  // 2^53: beyond it a float does not name one integer.
  if (std::trunc(number) != number || std::abs(number) > 9007199254740992.0) return false;
  id = static_cast<int64_t>(number);
  return true;
}

bool ToBox(element value, XywhBox& box) {
  simdjson::dom::array numbers;
  if (value.get(numbers) != simdjson::SUCCESS || numbers.size() != 4) return false;
  double xywh[4];
  size_t count = 0;
  for (element number : numbers) {
    if (number.get(xywh[count++]) != simdjson::SUCCESS) return false;
  }
  box = {xywh[0], xywh[1], xywh[2], xywh[3]};
  return true;
}

absl::Status MissingField(unsigned missing) {
  const char* name = (missing & kImageField) != 0      ? "image_id"
                     : (missing & kCategoryField) != 0 ? "category_id"
                     : (missing & kBoxField) != 0      ? "bbox"
                                                       : "score";
  return Invalid(name, "is missing");
}

absl::Status ParseField(absl::string_view key, element value, Detection& d, unsigned& seen) {
  if (key == "image_id") {
    seen |= kImageField;
    return ToId(value, d.image_id) ? absl::OkStatus() : Invalid(key, "is not an integer");
  }
  if (key == "category_id") {
    seen |= kCategoryField;
    return ToId(value, d.category_id) ? absl::OkStatus() : Invalid(key, "is not an integer");
  }
  if (key == "bbox") {
    seen |= kBoxField;
    return ToBox(value, d.box) ? absl::OkStatus() : Invalid(key, "is not an array of four numbers");
  }
  if (key == "score") {
    seen |= kScoreField;
    return value.get(d.score) == simdjson::SUCCESS ? absl::OkStatus()
                                                   : Invalid(key, "is not a number");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadResultsRecord(element value, unsigned required, Detection& d, unsigned& seen) {
  simdjson::dom::object record;
  if (value.get(record) != simdjson::SUCCESS) {
    return absl::InvalidArgumentError("is not an object");
  }
  seen = 0;
  for (auto [key, field] : record) {
    RCNN_RETURN_IF_ERROR(ParseField(absl::string_view(key.data(), key.size()), field, d, seen));
  }
  return (required & ~seen) == 0 ? absl::OkStatus() : MissingField(required & ~seen);
}

absl::Status CheckIsResultsFile(absl::string_view json, absl::string_view shape) {
  json = absl::StripLeadingAsciiWhitespace(json);
  if (json.empty() || json[0] == '[') return absl::OkStatus();
  if (absl::StartsWith(json, "\x1f\x8b") || absl::StartsWith(json, "PK\x03\x04")) {
    return absl::InvalidArgumentError("is compressed; unpack it first");
  }
  if (absl::StartsWith(json, "\xff\xfe") || absl::StartsWith(json, "\xfe\xff")) {
    return absl::InvalidArgumentError("is UTF-16; save it as UTF-8");
  }
  return absl::InvalidArgumentError(
      absl::StrCat("not a COCO results file, which is a list of {\"image_id\", \"category_id\", \"",
                   shape, "\", \"score\"}: it does not start with '['",
                   json[0] == '{' ? "; is it the dataset's instances file?" : ""));
}

}  // namespace rcnn::eval

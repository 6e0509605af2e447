#include "rcnn/data/shards/json_fields.h"

#include <cmath>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace rcnn::data {
namespace {

namespace dom = simdjson::dom;

std::string RangeText(int64_t low, int64_t high) {
  if (high < JsonFields::kMost) return absl::StrCat(" in ", low, "..", high);
  return low == -JsonFields::kMost ? "" : absl::StrCat(" >= ", low);
}

bool GetNumber(dom::element element, double& value) {
  return element.get_double().get(value) == simdjson::SUCCESS && std::isfinite(value);
}

}  // namespace

JsonFields::JsonFields(dom::element object) : object_(object) {
  if (!object.is_object()) status_ = absl::InvalidArgumentError("is not a JSON object");
}

bool JsonFields::Has(const char* key) const {
  return status_.ok() && object_[key].error() == simdjson::SUCCESS;
}

int64_t JsonFields::Whole(const char* key, int64_t low, int64_t high) {
  int64_t value = low;
  const std::optional<dom::element> element = Find(key);
  if (!element) return low;
  if (element->get_int64().get(value) == simdjson::SUCCESS && value >= low && value <= high) {
    return value;
  }
  Fail(key, absl::StrCat("is not a whole number", RangeText(low, high)));
  return low;
}

double JsonFields::Number(const char* key) {
  double value = 0;
  const std::optional<dom::element> element = Find(key);
  if (!element || GetNumber(*element, value)) return value;
  Fail(key, "is not a number");
  return 0;
}

std::string JsonFields::Text(const char* key) {
  std::string_view text;
  const std::optional<dom::element> element = Find(key);
  if (!element) return "";
  if (element->get_string().get(text) != simdjson::SUCCESS) Fail(key, "is not a text");
  return std::string(text);
}

std::vector<dom::element> JsonFields::List(const char* key) {
  dom::array array;
  const std::optional<dom::element> element = Find(key);
  if (!element) return {};
  if (element->get_array().get(array) != simdjson::SUCCESS) {
    Fail(key, "is not a list");
    return {};
  }
  std::vector<dom::element> elements;
  for (const dom::element one : array) elements.push_back(one);
  return elements;
}

std::array<double, 4> JsonFields::Box(const char* key) {
  std::array<double, 4> box = {0, 0, 0, 0};
  const std::vector<dom::element> numbers = List(key);
  bool good = numbers.size() == box.size();
  for (size_t i = 0; good && i < box.size(); ++i) good = GetNumber(numbers[i], box[i]);
  if (!good) Fail(key, "is not a list of four numbers");
  return box;
}

bool JsonFields::Mark(const char* key) { return Has(key) && Whole(key, 0, 1) == 1; }

std::optional<dom::element> JsonFields::Find(const char* key) {
  dom::element element;
  if (!status_.ok()) return std::nullopt;
  if (object_[key].get(element) == simdjson::SUCCESS) return element;
  Fail(key, "is missing");
  return std::nullopt;
}

void JsonFields::Fail(const char* key, absl::string_view what) {
  if (status_.ok()) status_ = absl::InvalidArgumentError(absl::StrCat("\"", key, "\" ", what));
}

}  // namespace rcnn::data

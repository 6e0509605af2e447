#include "rcnn/eval/testing/tide_cases.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "simdjson.h"

namespace rcnn::eval::testing {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;

XywhBox BoxAt(array row, size_t i) {
  return {row.at(i).get_double(), row.at(i + 1).get_double(), row.at(i + 2).get_double(),
          row.at(i + 3).get_double()};
}

template <size_t N>
void ReadNumbers(element value, std::array<double, N>& numbers) {
  for (size_t i = 0; i < N; ++i) numbers[i] = value.at(i).get_double();
}

TideAnswer ToAnswer(element value) {
  TideAnswer tide;
  tide.name = std::string(value["name"].get_string().value());
  tide.max_detections = value["max_detections"].get_int64();
  tide.ap = value["ap"].get_double();
  ReadNumbers(value["main"], tide.main);
  ReadNumbers(value["special"], tide.special);
  for (size_t i = 0; i < 6; ++i) tide.counts[i] = value["counts"].at(i).get_int64();
  for (size_t i = 0; i < 3; ++i) ReadNumbers(value["sizes"].at(i), tide.sizes[i]);
  return tide;
}

TideCase ToCase(element value) {
  TideCase tide;
  tide.answer = ToAnswer(value);
  for (element id : value["images"].get_array()) tide.truth.images.push_back({id.get_int64(), ""});
  for (element id : value["categories"].get_array()) {
    tide.truth.categories.push_back({id.get_int64(), ""});
  }
  for (element element : value["annotations"].get_array()) {
    const array row = element.get_array();
    tide.truth.annotations.push_back({row.at(0).get_int64(), row.at(1).get_int64(),
                                      row.at(2).get_int64(), BoxAt(row, 3), row.at(7).get_double(),
                                      row.at(8).get_int64() != 0});
  }
  for (element element : value["detections"].get_array()) {
    const array row = element.get_array();
    tide.detections.Add(
        {row.at(0).get_int64(), row.at(1).get_int64(), BoxAt(row, 2), row.at(6).get_double()});
  }
  tide.truth.Normalize();
  return tide;
}

TideMaskCase ToMaskCase(element value) {
  return {ToAnswer(value), simdjson::minify(value["truth"].value()),
          simdjson::minify(value["results"].value())};
}

template <typename Case>
absl::StatusOr<std::vector<Case>> ReadCases(const std::string& path, Case (*to_case)(element)) {
  RCNN_ASSIGN_OR_RETURN(std::string text, ReadFile(path));
  std::vector<Case> cases;
  try {
    simdjson::dom::parser parser;
    for (element value : parser.parse(text).get_array()) cases.push_back(to_case(value));
  } catch (const simdjson::simdjson_error& error) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", error.what()));
  }
  return cases;
}

}  // namespace

absl::StatusOr<std::vector<TideCase>> ReadTideCases(const std::string& path) {
  return ReadCases(path, ToCase);
}

absl::StatusOr<std::vector<TideMaskCase>> ReadTideMaskCases(const std::string& path) {
  return ReadCases(path, ToMaskCase);
}

}  // namespace rcnn::eval::testing

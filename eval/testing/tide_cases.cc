#include "rcnn/eval/testing/tide_cases.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/standard_exception_status.h"
#include "rcnn/base/status_macros.h"
#include "simdjson.h"

namespace rcnn::eval::testing {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;

// The four numbers from row[first] on.
XywhBox ReadXywh(array row, size_t first) {
  return {row.at(first).get_double(), row.at(first + 1).get_double(),
          row.at(first + 2).get_double(), row.at(first + 3).get_double()};
}

template <typename T, size_t N>
void ReadNumbers(element value, std::array<T, N>& numbers) {
  for (size_t i = 0; i < N; ++i) numbers[i] = value.at(i).get<T>();
}

TideAnswer ParseAnswer(element value) {
  TideAnswer result;
  result.name = std::string(value["name"].get_string().value());
  result.max_detections = value["max_detections"].get_int64();
  result.ap = value["ap"].get_double();
  ReadNumbers(value["counts"], result.counts);
  ReadNumbers(value["main"], result.dap);
  result.false_positive_dap = value["special"].at(0).get_double();
  result.false_negative_dap = value["special"].at(1).get_double();
  for (size_t i = 0; i < result.size_dap.size(); ++i) {
    ReadNumbers(value["sizes"].at(i), result.size_dap[i]);
  }
  return result;
}

// Rows, as make_tide_cases.py writes them:
//   annotations  [id, image_id, category_id, x, y, width, height, area, is_crowd]
//   detections   [image_id, category_id, x, y, width, height, score]
TideCase ParseCase(element value) {
  TideCase result;
  result.answer = ParseAnswer(value);
  for (element id : value["images"].get_array())
    result.truth.images.push_back({id.get_int64(), ""});
  for (element id : value["categories"].get_array()) {
    result.truth.categories.push_back({id.get_int64(), ""});
  }
  for (element annotation : value["annotations"].get_array()) {
    const array row = annotation.get_array();
    result.truth.annotations.push_back({row.at(0).get_int64(), row.at(1).get_int64(),
                                        row.at(2).get_int64(), ReadXywh(row, 3),
                                        row.at(7).get_double(), row.at(8).get_int64() != 0});
  }
  for (element detection : value["detections"].get_array()) {
    const array row = detection.get_array();
    result.detections.Add(
        {row.at(0).get_int64(), row.at(1).get_int64(), ReadXywh(row, 2), row.at(6).get_double()});
  }
  result.truth.Normalize();
  return result;
}

TideMaskCase ParseMaskCase(element value) {
  return {ParseAnswer(value), simdjson::minify(value["truth"].value()),
          simdjson::minify(value["results"].value())};
}

template <typename Case>
absl::StatusOr<std::vector<Case>> ReadCases(const std::string& path, Case (*parse_case)(element)) {
  RCNN_ASSIGN_OR_RETURN(std::string text, ReadFile(path));
  std::vector<Case> cases;
  std::string where = path;
  const auto parse = [&] {
    simdjson::dom::parser parser;
    for (element value : parser.parse(text).get_array()) {
      where = absl::StrCat(path, ", case ", cases.size());
      cases.push_back(parse_case(value));
    }
    return absl::OkStatus();
  };
  RCNN_RETURN_IF_ERROR(CatchStandardExceptions(parse, absl::StatusCode::kInvalidArgument), where);
  return cases;
}

}  // namespace

absl::StatusOr<std::vector<TideCase>> ReadTideCases(const std::string& path) {
  return ReadCases(path, ParseCase);
}

absl::StatusOr<std::vector<TideMaskCase>> ReadTideMaskCases(const std::string& path) {
  return ReadCases(path, ParseMaskCase);
}

}  // namespace rcnn::eval::testing

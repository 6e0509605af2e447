#include "rcnn/eval/testing/golden_cases.h"

#include <cstdlib>

#include "absl/strings/string_view.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/sha256.h"
#include "rcnn/base/standard_exception_status.h"
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

std::string Text(element value) { return std::string(value.get_string().value()); }

GoldenCase ToCase(element value) {
  GoldenCase golden;
  golden.name = Text(value["name"]);
  for (element id : value["images"].get_array())
    golden.truth.images.push_back({id.get_int64(), ""});
  for (element id : value["categories"].get_array()) {
    golden.truth.categories.push_back({id.get_int64(), ""});
  }
  for (element element : value["annotations"].get_array()) {
    const array row = element.get_array();
    golden.truth.annotations.push_back({row.at(0).get_int64(), row.at(1).get_int64(),
                                        row.at(2).get_int64(), BoxAt(row, 3),
                                        row.at(7).get_double(), row.at(8).get_int64() != 0});
  }
  for (element element : value["detections"].get_array()) {
    const array row = element.get_array();
    golden.detections.Add(
        {row.at(0).get_int64(), row.at(1).get_int64(), BoxAt(row, 2), row.at(6).get_double()});
  }
  golden.truth.Normalize();
  for (size_t i = 0; i < golden.stats.size(); ++i) {
    golden.stats[i] = std::strtod(Text(value["stats"].at(i)).c_str(), nullptr);
  }
  golden.precision_sha256 = Text(value["precision_sha256"]);
  golden.recall_sha256 = Text(value["recall_sha256"]);
  golden.scores_sha256 = Text(value["scores_sha256"]);
  return golden;
}

}  // namespace

std::string ArrayDigest(const std::vector<double>& values) {
  return Sha256(absl::string_view(reinterpret_cast<const char*>(values.data()),
                                  values.size() * sizeof(double)))
      .value();
}

absl::StatusOr<std::vector<GoldenCase>> ReadGoldenCases(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(std::string text, ReadFile(path));
  const auto parse = [&]() -> absl::StatusOr<std::vector<GoldenCase>> {
    std::vector<GoldenCase> cases;
    simdjson::dom::parser parser;
    for (element value : parser.parse(text).get_array()) cases.push_back(ToCase(value));
    return cases;
  };
  RCNN_ASSIGN_OR_RETURN(auto cases,
                        CatchStandardExceptions(parse, absl::StatusCode::kInvalidArgument), path);
  return cases;
}

}  // namespace rcnn::eval::testing

#include "rcnn/eval/detections_reader.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/eval/json_array.h"
#include "rcnn/eval/parallel_for.h"
#include "simdjson.h"

namespace rcnn::eval {
namespace {

using simdjson::dom::element;
using simdjson::dom::object;

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

// Which fields of a record have been seen.
enum Field : unsigned { kImage = 1, kCategory = 2, kBox = 4, kScore = 8, kAllFields = 15 };

absl::Status MissingField(unsigned seen) {
  const char* name = !(seen & kImage)      ? "image_id"
                     : !(seen & kCategory) ? "category_id"
                     : !(seen & kBox)      ? "bbox"
                                           : "score";
  return Invalid(name, "is missing");
}

absl::Status ParseField(absl::string_view key, element value, Detection& d, unsigned& seen) {
  if (key == "image_id") {
    seen |= kImage;
    return ToId(value, d.image_id) ? absl::OkStatus() : Invalid(key, "is not an integer");
  }
  if (key == "category_id") {
    seen |= kCategory;
    return ToId(value, d.category_id) ? absl::OkStatus() : Invalid(key, "is not an integer");
  }
  if (key == "bbox") {
    seen |= kBox;
    return ToBox(value, d.box) ? absl::OkStatus() : Invalid(key, "is not an array of four numbers");
  }
  if (key == "score") {
    seen |= kScore;
    return value.get(d.score) == simdjson::SUCCESS ? absl::OkStatus()
                                                   : Invalid(key, "is not a number");
  }
  return absl::OkStatus();
}

absl::Status ParseRecord(element value, Detection& d) {
  object record;
  if (value.get(record) != simdjson::SUCCESS) {
    return absl::InvalidArgumentError("is not an object");
  }
  unsigned seen = 0;
  for (auto [key, field] : record) {
    RCNN_RETURN_IF_ERROR(ParseField(absl::string_view(key.data(), key.size()), field, d, seen));
  }
  return seen == kAllFields ? absl::OkStatus() : MissingField(seen);
}

// simdjson reads up to SIMDJSON_PADDING bytes past the end.
class PaddedText {
 public:
  // The text of a JSON array around `records`.
  void SetArray(absl::string_view records) {
    bytes_.resize(records.size() + 2 + simdjson::SIMDJSON_PADDING);
    bytes_[0] = '[';
    if (!records.empty()) std::memcpy(bytes_.data() + 1, records.data(), records.size());
    bytes_[records.size() + 1] = ']';
    size_ = records.size() + 2;
  }
  simdjson::simdjson_result<element> Parse(simdjson::dom::parser& parser) const {
    return parser.parse(bytes_.data(), size_, /*realloc_if_needed=*/false);
  }

 private:
  std::vector<char> bytes_;
  size_t size_ = 0;
};

// The records of a piece; false if it is not an array of good records.
bool ParsePiece(absl::string_view piece, Detections& detections) {
  thread_local simdjson::dom::parser parser;
  thread_local PaddedText text;
  text.SetArray(piece);
  simdjson::dom::array records;
  if (text.Parse(parser).get(records) != simdjson::SUCCESS) return false;
  Detection detection;
  for (element record : records) {
    if (!ParseRecord(record, detection).ok()) return false;
    detections.Add(detection);
  }
  return true;
}

absl::Status CheckIsResultsFile(absl::string_view json) {
  json = absl::StripLeadingAsciiWhitespace(json);
  if (json.empty() || json[0] == '[') return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "not a COCO results file, which is a list of {\"image_id\", \"category_id\", \"bbox\", "
      "\"score\"}: it does not start with '['",
      json[0] == '{' ? "; is it the dataset's instances file?" : ""));
}

// The reading that the fast one must equal.
absl::StatusOr<Detections> ParseOneByOne(absl::string_view json) {
  RCNN_RETURN_IF_ERROR(CheckIsResultsFile(json));
  Detections detections;
  simdjson::dom::parser parser;
  PaddedText text;
  auto parse = [&](absl::string_view record) -> absl::Status {
    text.SetArray(record);
    simdjson::dom::array records;
    const simdjson::error_code error = text.Parse(parser).get(records);
    if (error == simdjson::NUMBER_ERROR || error == simdjson::TAPE_ERROR) {
      return absl::InvalidArgumentError(DescribeBadJson(record));
    }
    if (error != simdjson::SUCCESS) {
      return absl::InvalidArgumentError(simdjson::error_message(error));
    }
    if (records.size() != 1) return absl::InvalidArgumentError("is not a single JSON value");
    Detection detection;
    RCNN_RETURN_IF_ERROR(ParseRecord(records.at(0).value(), detection));
    detections.Add(detection);
    return absl::OkStatus();
  };
  RCNN_RETURN_IF_ERROR(ForEachArrayElement(json, parse));
  return detections;
}

}  // namespace

absl::StatusOr<Detections> ParseDetections(absl::string_view json,
                                           const DetectionsReaderOptions& options) {
  const std::vector<absl::string_view> pieces = CutArrayOfObjects(json, options.piece_bytes);
  if (pieces.empty()) return ParseOneByOne(json);
  std::vector<Detections> parsed(pieces.size());
  std::vector<char> good(pieces.size(), 0);
  ParallelFor(static_cast<int64_t>(pieces.size()), options.threads,
              [&](int64_t i) { good[i] = ParsePiece(pieces[i], parsed[i]); });
  if (std::count(good.begin(), good.end(), 0) > 0) return ParseOneByOne(json);
  int64_t count = 0;
  for (const Detections& part : parsed) count += part.size();
  Detections detections;
  detections.Reserve(count);
  for (Detections& part : parsed) detections.Append(std::exchange(part, {}));
  return detections;
}

absl::StatusOr<Detections> ReadDetections(const std::string& path,
                                          const DetectionsReaderOptions& options) {
  RCNN_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  RCNN_ASSIGN_OR_RETURN(Detections detections, ParseDetections(file.bytes(), options), path);
  return detections;
}

}  // namespace rcnn::eval

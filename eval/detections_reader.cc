#include "rcnn/eval/detections_reader.h"

#include <cmath>

#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/eval/results_pieces.h"
#include "rcnn/eval/results_record.h"
#include "simdjson.h"

namespace rcnn::eval {
namespace {

namespace ondemand = simdjson::ondemand;

bool ReadNumber(ondemand::value value, double& number) {
  // The bound excludes integers of more than 64 bits, which the slow reader rejects too.
  return value.get_double().get(number) == simdjson::SUCCESS && std::abs(number) < 9e18;
}

bool ReadBox(ondemand::value value, XywhBox& box) {
  ondemand::array numbers;
  if (value.get_array().get(numbers) != simdjson::SUCCESS) return false;
  double xywh[4];
  size_t count = 0;
  for (auto maybe_number : numbers) {
    ondemand::value number;
    if (count == 4 || std::move(maybe_number).get(number) != simdjson::SUCCESS) return false;
    if (!ReadNumber(number, xywh[count++])) return false;
  }
  box = {xywh[0], xywh[1], xywh[2], xywh[3]};
  return count == 4;
}

// Reads a record of exactly the four fields, so that every byte is checked; false
// for any other.
bool ReadPlainRecord(ondemand::object record, Detection& d) {
  unsigned seen = 0;
  for (auto maybe_field : record) {
    ondemand::field field;
    if (std::move(maybe_field).get(field) != simdjson::SUCCESS) return false;
    const ondemand::raw_json_string key = field.key();
    ondemand::value value = field.value();
    bool good = false;
    if (key == "image_id") {
      seen |= kImageField;
      good = value.get_int64().get(d.image_id) == simdjson::SUCCESS;
    } else if (key == "category_id") {
      seen |= kCategoryField;
      good = value.get_int64().get(d.category_id) == simdjson::SUCCESS;
    } else if (key == "bbox") {
      seen |= kBoxField;
      good = ReadBox(value, d.box);
    } else if (key == "score") {
      seen |= kScoreField;
      good = ReadNumber(value, d.score);
    }
    if (!good) return false;
  }
  return seen == kAllResultsFields;
}

// The records of a piece, read without a tree of it; false if one of them has
// more than the four fields or anything wrong.
bool AddPlainArray(const PaddedText& text, Detections& detections) {
  thread_local ondemand::parser parser;
  ondemand::document document;
  ondemand::array records;
  if (text.Iterate(parser).get(document) != simdjson::SUCCESS) return false;
  if (document.get_array().get(records) != simdjson::SUCCESS) return false;
  Detection detection;
  for (auto maybe_record : records) {
    ondemand::object record;
    if (maybe_record.get_object().get(record) != simdjson::SUCCESS) return false;
    if (!ReadPlainRecord(record, detection)) return false;
    detections.Add(detection);
  }
  const char* rest = nullptr;
  return document.current_location().get(rest) != simdjson::SUCCESS;
}

absl::Status AddRecord(simdjson::dom::element value, Detections& detections) {
  Detection detection;
  unsigned seen = 0;
  RCNN_RETURN_IF_ERROR(ReadResultsRecord(value, kAllResultsFields, detection, seen));
  detections.Add(detection);
  return absl::OkStatus();
}

absl::Status CheckKind(absl::string_view json) { return CheckIsResultsFile(json, "bbox"); }

absl::StatusOr<Detections> Parse(absl::string_view json, const DetectionsReaderOptions& options,
                                 absl::FunctionRef<void(absl::string_view)> done) {
  return ReadResults<Detections>(json, options.piece_bytes, options.threads,
                                 {AddRecord, AddPlainArray, CheckKind}, done);
}

}  // namespace

absl::StatusOr<Detections> ParseDetections(absl::string_view json,
                                           const DetectionsReaderOptions& options) {
  return Parse(json, options, [](absl::string_view) {});
}

absl::StatusOr<Detections> ReadDetections(const std::string& path,
                                          const DetectionsReaderOptions& options) {
  RCNN_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  RCNN_ASSIGN_OR_RETURN(Detections detections, Parse(file.bytes(), options, ReleasePages), path);
  return detections;
}

}  // namespace rcnn::eval

#include "rcnn/eval/detections_reader.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/eval/json_array.h"
#include "rcnn/eval/parallel_for.h"
#include "simdjson.h"

namespace rcnn::eval {
namespace {

namespace ondemand = simdjson::ondemand;

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

bool ReadNumber(ondemand::value value, double& number) {
  // Integers of more than 64 bits, which the careful reading refuses, are among
  // those of this size.
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

// A record of the four fields and nothing else, so that all of it is looked at;
// false for any other.
bool ReadPlainRecord(ondemand::object record, Detection& d) {
  unsigned seen = 0;
  for (auto maybe_field : record) {
    ondemand::field field;
    if (std::move(maybe_field).get(field) != simdjson::SUCCESS) return false;
    const ondemand::raw_json_string key = field.key();
    ondemand::value value = field.value();
    bool good = false;
    if (key == "image_id") {
      seen |= kImage;
      good = value.get_int64().get(d.image_id) == simdjson::SUCCESS;
    } else if (key == "category_id") {
      seen |= kCategory;
      good = value.get_int64().get(d.category_id) == simdjson::SUCCESS;
    } else if (key == "bbox") {
      seen |= kBox;
      good = ReadBox(value, d.box);
    } else if (key == "score") {
      seen |= kScore;
      good = ReadNumber(value, d.score);
    }
    if (!good) return false;
  }
  return seen == kAllFields;
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
  simdjson::simdjson_result<ondemand::document> Iterate(ondemand::parser& parser) const {
    return parser.iterate(bytes_.data(), size_, bytes_.size());
  }

 private:
  std::vector<char> bytes_;
  size_t size_ = 0;
};

// The records of a piece, read without a tree of it; false if one of them has
// more than the four fields or anything wrong.
bool ParsePlainPiece(const PaddedText& text, Detections& detections) {
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

// The records of a piece; false if it is not an array of good records.
bool ParsePiece(absl::string_view piece, Detections& detections) {
  thread_local simdjson::dom::parser parser;
  thread_local PaddedText text;
  text.SetArray(piece);
  if (ParsePlainPiece(text, detections)) return true;
  detections.Clear();
  simdjson::dom::array records;
  if (text.Parse(parser).get(records) != simdjson::SUCCESS) return false;
  Detection detection;
  for (element record : records) {
    if (!ParseRecord(record, detection).ok()) return false;
    detections.Add(detection);
  }
  return true;
}

// Joins pieces in their order as they come, in any order, from many threads.
class InOrder {
 public:
  // bytes: of the text of all pieces.
  explicit InOrder(size_t bytes) : bytes_(bytes) {}

  // An emptied Detections whose memory can be used again.
  Detections Take() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (free_.empty()) return {};
    Detections detections = std::move(free_.back());
    free_.pop_back();
    return detections;
  }

  void Add(int64_t piece, absl::string_view text, Detections detections) {
    const std::lock_guard<std::mutex> lock(mutex_);
    waiting_.emplace(piece, std::move(detections));
    if (joined_.size() == 0 && !text.empty()) Reserve(piece, text);
    while (!waiting_.empty() && waiting_.begin()->first == next_) {
      Detections& next = waiting_.begin()->second;
      joined_.Append(next);
      next.Clear();
      free_.push_back(std::move(next));
      waiting_.erase(waiting_.begin());
      ++next_;
    }
  }

  Detections Finish() && { return std::move(joined_); }

 private:
  // For as many records in all as this piece has for its length, and some more.
  void Reserve(int64_t piece, absl::string_view text) {
    const double per_byte =
        static_cast<double>(waiting_[piece].size()) / static_cast<double>(text.size());
    joined_.Reserve(static_cast<int64_t>(per_byte * static_cast<double>(bytes_) * 1.05));
  }

  const size_t bytes_;
  std::mutex mutex_;
  int64_t next_ = 0;
  Detections joined_;
  std::map<int64_t, Detections> waiting_;
  std::vector<Detections> free_;
};

// Lets go of the pages of a mapped file; they are read again when looked at.
void ReleasePages(absl::string_view mapped) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<uintptr_t>(mapped.data());
  const uintptr_t first = (begin + page - 1) / page * page;
  const uintptr_t last = (begin + mapped.size()) / page * page;
  // Advice: nothing is wrong when it is not taken.
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
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

// done(piece): its text is no longer needed.
absl::StatusOr<Detections> ParsePieces(absl::string_view json,
                                       const DetectionsReaderOptions& options,
                                       absl::FunctionRef<void(absl::string_view)> done) {
  const std::vector<absl::string_view> pieces = CutArrayOfObjects(json, options.piece_bytes);
  if (pieces.empty()) return ParseOneByOne(json);
  InOrder in_order(json.size());
  std::atomic<bool> good{true};
  ParallelFor(static_cast<int64_t>(pieces.size()), options.threads, [&](int64_t i) {
    if (!good) return;
    Detections detections = in_order.Take();
    if (!ParsePiece(pieces[i], detections)) good = false;
    in_order.Add(i, pieces[i], std::move(detections));
    done(pieces[i]);
  });
  return good ? std::move(in_order).Finish() : ParseOneByOne(json);
}

}  // namespace

absl::StatusOr<Detections> ParseDetections(absl::string_view json,
                                           const DetectionsReaderOptions& options) {
  return ParsePieces(json, options, [](absl::string_view) {});
}

absl::StatusOr<Detections> ReadDetections(const std::string& path,
                                          const DetectionsReaderOptions& options) {
  RCNN_ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
  RCNN_ASSIGN_OR_RETURN(Detections detections, ParsePieces(file.bytes(), options, ReleasePages),
                        path);
  return detections;
}

}  // namespace rcnn::eval

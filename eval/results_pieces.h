// Reads an array of JSON records in pieces, on all cores.
//
// A part of the readers of results (detections_reader.h, shape_detections.h),
// which say what a record is. The text is split at record boundaries
// (json_array.h). Pieces are parsed in parallel and joined in file order as they
// finish, so memory holds little more than the joined results. If a piece is
// invalid, the whole text is read again record by record to name the bad one.

#ifndef RCNN_EVAL_RESULTS_PIECES_H_
#define RCNN_EVAL_RESULTS_PIECES_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/byte_order_mark.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/eval/json_array.h"
#include "rcnn/eval/parallel_for.h"
#include "simdjson.h"

namespace rcnn::eval {

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
  simdjson::simdjson_result<simdjson::dom::element> Parse(simdjson::dom::parser& parser) const {
    return parser.parse(bytes_.data(), size_, /*realloc_if_needed=*/false);
  }
  simdjson::simdjson_result<simdjson::ondemand::document> Iterate(
      simdjson::ondemand::parser& parser) const {
    return parser.iterate(bytes_.data(), size_, bytes_.size());
  }

 private:
  std::vector<char> bytes_;
  size_t size_ = 0;
};

// Releases the pages of a mapped file; the next access reads them again.
void ReleasePages(absl::string_view mapped);

// Joins pieces in file order. They may arrive in any order and from any thread.
//
// Results has size(), ReserveLike(part, times), Append(other), and Clear(), which
// keeps memory.
template <typename Results>
class OrderedJoiner {
 public:
  // bytes: length of the text of all pieces.
  explicit OrderedJoiner(size_t bytes) : bytes_(bytes) {}

  // Empty results whose memory is reused.
  Results Take() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (free_.empty()) return {};
    Results results = std::move(free_.back());
    free_.pop_back();
    return results;
  }

  void Add(int64_t piece, absl::string_view text, Results results) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (joined_.size() == 0 && !text.empty()) {
      // Estimates the total from the number of records per byte in this piece, with a margin.
      joined_.ReserveLike(results,
                          1.05 * static_cast<double>(bytes_) / static_cast<double>(text.size()));
    }
    waiting_.emplace(piece, std::move(results));
    while (!waiting_.empty() && waiting_.begin()->first == next_) {
      Results& next = waiting_.begin()->second;
      joined_.Append(next);
      next.Clear();
      free_.push_back(std::move(next));
      waiting_.erase(waiting_.begin());
      ++next_;
    }
  }

  Results Finish() && { return std::move(joined_); }

 private:
  const size_t bytes_;
  std::mutex mutex_;
  int64_t next_ = 0;
  Results joined_;
  std::map<int64_t, Results> waiting_;
  std::vector<Results> free_;
};

// How to read one kind of results.
template <typename Results>
struct ResultsFormat {
  // Adds a record; errors describe what is wrong with it.
  absl::FunctionRef<absl::Status(simdjson::dom::element, Results&)> add_record;
  // Fast path: adds all records of an array. false discards what was added and
  // falls back to add_record.
  absl::FunctionRef<bool(const PaddedText&, Results&)> add_plain_array;
  // An error when the text is another kind of file.
  absl::FunctionRef<absl::Status(absl::string_view)> check_kind;
};

// The slow reading, whose results the fast one must equal.
template <typename Results>
absl::StatusOr<Results> ReadResultsByRecord(absl::string_view json,
                                            const ResultsFormat<Results>& format) {
  RCNN_RETURN_IF_ERROR(format.check_kind(json));
  Results results;
  simdjson::dom::parser parser;
  PaddedText text;
  auto parse = [&](absl::string_view record) -> absl::Status {
    text.SetArray(record);
    simdjson::dom::array records;
    const simdjson::error_code error = text.Parse(parser).get(records);
    if (error == simdjson::NUMBER_ERROR || error == simdjson::TAPE_ERROR) {
      return absl::InvalidArgumentError(DescribeJsonError(record));
    }
    if (error != simdjson::SUCCESS) {
      return absl::InvalidArgumentError(simdjson::error_message(error));
    }
    if (records.size() != 1) return absl::InvalidArgumentError("is not a single JSON value");
    return format.add_record(records.at(0).value(), results);
  };
  RCNN_RETURN_IF_ERROR(ForEachArrayElement(json, parse));
  return results;
}

// As below, with the memory of `parser` and `text`.
template <typename Results>
bool ReadResultsPieceWith(absl::string_view piece, const ResultsFormat<Results>& format,
                          absl::FunctionRef<void(absl::string_view)> done,
                          simdjson::dom::parser& parser, PaddedText& text, Results& results) {
  text.SetArray(piece);
  done(piece);
  if (format.add_plain_array(text, results)) return true;
  results.Clear();
  simdjson::dom::array records;
  if (text.Parse(parser).get(records) != simdjson::SUCCESS) return false;
  for (simdjson::dom::element record : records) {
    if (!format.add_record(record, results).ok()) return false;
  }
  return true;
}

// A piece whose memory is not kept for the next one: with a single very long record.
inline constexpr size_t kLargePiece = size_t{1} << 21;

// Adds the records of a piece; false if it is not an array of valid records. Calls done(piece) when
// it has its own copy.
template <typename Results>
bool ReadResultsPiece(absl::string_view piece, const ResultsFormat<Results>& format,
                      absl::FunctionRef<void(absl::string_view)> done, Results& results) {
  if (piece.size() > kLargePiece) {
    simdjson::dom::parser parser;
    PaddedText text;
    return ReadResultsPieceWith(piece, format, done, parser, text, results);
  }
  thread_local simdjson::dom::parser parser;
  thread_local PaddedText text;
  return ReadResultsPieceWith(piece, format, done, parser, text, results);
}

// Reads all records of `json`, which may begin with a byte order mark. threads: 0 for all
// cores. done(piece) is called once a piece of the text is no longer needed; after an error all of
// it is read again.
template <typename Results>
absl::StatusOr<Results> ReadResults(absl::string_view json, int64_t piece_bytes, int threads,
                                    const ResultsFormat<Results>& format,
                                    absl::FunctionRef<void(absl::string_view)> done) {
  json = WithoutByteOrderMark(json);
  const std::vector<absl::string_view> pieces = SplitObjectArray(json, piece_bytes);
  if (pieces.empty()) return ReadResultsByRecord(json, format);
  OrderedJoiner<Results> in_order(json.size());
  std::atomic<bool> good{true};
  ParallelFor(static_cast<int64_t>(pieces.size()), threads, [&](int64_t i) {
    if (!good) return;
    Results results = in_order.Take();
    if (!ReadResultsPiece(pieces[i], format, done, results)) good = false;
    in_order.Add(i, pieces[i], std::move(results));
  });
  if (!good) return ReadResultsByRecord(json, format);
  return std::move(in_order).Finish();
}

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_RESULTS_PIECES_H_

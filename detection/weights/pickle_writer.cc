#include "rcnn/detection/weights/pickle_writer.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace rcnn::detection::weights {
namespace {

constexpr char kProtocol[] = "\x80\x02";
constexpr char kStop = '.';
constexpr char kBinaryInteger = 'J';
constexpr char kLong = '\x8a';
constexpr char kBinaryUnicode = 'X';
constexpr char kGlobal = 'c';

}  // namespace

PickleWriter::PickleWriter() : bytes_(kProtocol) {}

void PickleWriter::LittleEndian(uint64_t value, int width) {
  for (int i = 0; i < width; ++i, value >>= 8) bytes_.push_back(static_cast<char>(value & 0xff));
}

void PickleWriter::Integer(int64_t value) {
  const bool is_short =
      value >= std::numeric_limits<int32_t>::min() && value <= std::numeric_limits<int32_t>::max();
  bytes_.push_back(is_short ? kBinaryInteger : kLong);
  if (!is_short) bytes_.push_back(8);
  LittleEndian(static_cast<uint64_t>(value), is_short ? 4 : 8);
}

void PickleWriter::Integers(absl::Span<const int64_t> values) {
  Op(kMark);
  for (const int64_t value : values) Integer(value);
  Op(kTuple);
}

void PickleWriter::String(absl::string_view utf8) {
  bytes_.push_back(kBinaryUnicode);
  LittleEndian(utf8.size(), 4);
  absl::StrAppend(&bytes_, utf8);
}

void PickleWriter::Global(absl::string_view module, absl::string_view name) {
  bytes_.push_back(kGlobal);
  absl::StrAppend(&bytes_, module, "\n", name, "\n");
}

std::string PickleWriter::Finish() && {
  bytes_.push_back(kStop);
  return std::move(bytes_);
}

}  // namespace rcnn::detection::weights

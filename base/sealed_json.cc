// Memory for a text of T bytes, at most: a value takes 16 bytes, three times that while its list
// grows, and 48 more if it is a text, a list or an object of its own, so 6 T for one in 16 bytes; a
// long text takes T, and 5 T while it is read. The text that the values give is compared with the
// one that was read while it is written, and not kept.

#include "rcnn/base/sealed_json.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iomanip>
#include <iterator>
#include <ostream>
#include <streambuf>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "rcnn/base/crc32c.h"
#include "rcnn/base/status_macros.h"

namespace rcnn {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kSeal[] = "seal";
constexpr int kIndent = 2;
// Far more than records have. ordered_json reads in time quadratic in the number of fields, and
// recurses to write nested values.
constexpr int64_t kMostFields = 10'000;
constexpr int kMostDepth = 16;
// Of small values, which take many times their text in memory.
constexpr int64_t kFewValues = 10'000;
constexpr int64_t kBytesPerValue = 16;
constexpr size_t kMostShownOfName = 100;

std::string Text(const Json& record) {
  return record.dump(kIndent, ' ', false, Json::error_handler_t::replace) + "\n";
}

// Reads a text without keeping it, and ends as soon as it has too much in it.
class SizeCheck : public nlohmann::json_sax<Json> {
 public:
  explicit SizeCheck(absl::string_view text)
      : most_values_(kFewValues + static_cast<int64_t>(text.size()) / kBytesPerValue) {}

  bool null() override { return AddValue(); }
  bool boolean(bool /*value*/) override { return AddValue(); }
  bool number_integer(number_integer_t /*value*/) override { return AddValue(); }
  bool number_unsigned(number_unsigned_t /*value*/) override { return AddValue(); }
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override {
    return AddValue();
  }
  bool string(string_t& /*value*/) override { return AddValue(); }
  bool binary(binary_t& /*value*/) override { return AddValue(); }
  bool start_object(size_t /*elements*/) override { return AddValue() && Enter(); }
  bool end_object() override { return Leave(); }
  bool start_array(size_t /*elements*/) override { return AddValue() && Enter(); }
  bool end_array() override { return Leave(); }
  bool key(string_t& /*value*/) override {
    return ++fields_ <= kMostFields || Refuse(absl::StrCat("more than ", kMostFields, " fields"));
  }
  bool parse_error(size_t /*position*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*error*/) override {
    return false;
  }

  // "" if the text has not too much in it, as far as it is JSON.
  const std::string& problem() const { return problem_; }

 private:
  bool AddValue() {
    return ++values_ <= most_values_ ||
           Refuse(absl::StrCat("more than ", most_values_,
                               " values, the limit for a text of this size"));
  }
  bool Enter() {
    return ++depth_ <= kMostDepth || Refuse(absl::StrCat("nested deeper than ", kMostDepth));
  }
  bool Leave() {
    --depth_;
    return true;
  }
  bool Refuse(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }

  const int64_t most_values_;
  int64_t values_ = 0;
  int64_t fields_ = 0;
  int depth_ = 0;
  std::string problem_;
};

absl::StatusOr<Json> Parse(absl::string_view text) {
  SizeCheck check(text);
  Json::sax_parse(text.begin(), text.end(), &check);
  if (!check.problem().empty()) return absl::DataLossError(check.problem());
  Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::DataLossError("not a JSON object");
  return json;
}

// Compares what is written to it with a text, and keeps nothing but its checksum.
class ComparingBuffer : public std::streambuf {
 public:
  explicit ComparingBuffer(absl::string_view expected) : rest_(expected) {}

  // Whether exactly that text was written.
  bool is_equal() const { return is_equal_ && rest_.empty(); }
  uint32_t crc32c() const { return crc32c_; }

 protected:
  int_type overflow(int_type byte) override {
    const char character = traits_type::to_char_type(byte);
    Add(absl::string_view(&character, 1));
    return byte;
  }
  std::streamsize xsputn(const char* bytes, std::streamsize count) override {
    Add(absl::string_view(bytes, static_cast<size_t>(count)));
    return count;
  }

 private:
  void Add(absl::string_view piece) {
    is_equal_ = is_equal_ && absl::ConsumePrefix(&rest_, piece);
    crc32c_ = Crc32c(piece, crc32c_);
  }

  absl::string_view rest_;
  bool is_equal_ = true;
  uint32_t crc32c_ = 0;
};

// Writes the text of a record that was parsed, so that its strings are UTF-8.
void WriteText(const Json& record, ComparingBuffer& buffer) {
  std::ostream stream(&buffer);
  stream << std::setw(kIndent) << record << '\n';
}

// Removes the seal from a record that was parsed from `text`, and has one. False if it does not
// match.
bool TakeSeal(absl::string_view text, Json& record) {
  ComparingBuffer whole(text);
  WriteText(record, whole);
  const auto last = std::prev(record.end());
  if (!whole.is_equal() || last.key() != kSeal) return false;
  const Json seal = std::move(last.value());
  record.erase(kSeal);
  ComparingBuffer rest("");
  WriteText(record, rest);
  return seal == absl::StrFormat("%08x", rest.crc32c());
}

}  // namespace

std::string SealedText(const Json& record) {
  Json sealed = record;
  sealed[kSeal] = absl::StrFormat("%08x", Crc32c(Text(record)));
  return Text(sealed);
}

absl::StatusOr<SealedJson> ParseSealed(absl::string_view text,
                                       const std::vector<std::string>& fields) {
  SealedJson read;
  RCNN_ASSIGN_OR_RETURN(read.record, Parse(text));
  for (const auto& [name, unused] : read.record.items()) {
    if (name == kSeal || std::find(fields.begin(), fields.end(), name) != fields.end()) continue;
    const Json shown = name.substr(0, kMostShownOfName);
    return absl::DataLossError(
        absl::StrCat("unknown field ", shown.dump(-1, ' ', true, Json::error_handler_t::replace)));
  }
  read.sealed = read.record.contains(kSeal);
  if (read.sealed && !TakeSeal(text, read.record)) {
    return absl::DataLossError("its seal does not match its text");
  }
  return read;
}

}  // namespace rcnn

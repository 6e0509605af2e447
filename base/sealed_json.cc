#include "rcnn/base/sealed_json.h"

#include <algorithm>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/base/crc32c.h"
#include "rcnn/base/status_macros.h"

namespace rcnn {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kSeal[] = "seal";
// Far more than records have. ordered_json reads in time quadratic in the number of fields, and
// recurses to write nested values.
constexpr int64_t kMostFields = 10'000;
constexpr int kMostDepth = 16;

std::string Text(const Json& record) {
  return record.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

// Reads a text without keeping it, and ends as soon as it is too large.
class SizeCheck : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return true; }
  bool boolean(bool /*value*/) override { return true; }
  bool number_integer(number_integer_t /*value*/) override { return true; }
  bool number_unsigned(number_unsigned_t /*value*/) override { return true; }
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override { return true; }
  bool string(string_t& /*value*/) override { return true; }
  bool binary(binary_t& /*value*/) override { return true; }
  bool start_object(size_t /*elements*/) override { return Enter(); }
  bool end_object() override { return Leave(); }
  bool start_array(size_t /*elements*/) override { return Enter(); }
  bool end_array() override { return Leave(); }
  bool key(string_t& /*value*/) override { return is_small_ = ++fields_ <= kMostFields; }
  bool parse_error(size_t /*position*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*error*/) override {
    return false;
  }

  bool is_small() const { return is_small_; }

 private:
  bool Enter() { return is_small_ = ++depth_ <= kMostDepth; }
  bool Leave() {
    --depth_;
    return true;
  }

  int64_t fields_ = 0;
  int depth_ = 0;
  bool is_small_ = true;
};

absl::StatusOr<Json> Parse(absl::string_view text) {
  SizeCheck check;
  Json::sax_parse(text.begin(), text.end(), &check);
  if (!check.is_small()) {
    return absl::DataLossError(
        absl::StrCat("more than ", kMostFields, " fields, or nested deeper than ", kMostDepth));
  }
  Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return absl::DataLossError("not a JSON object");
  return json;
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
  read.sealed = read.record.erase(kSeal) > 0;
  for (const auto& [name, unused] : read.record.items()) {
    if (std::find(fields.begin(), fields.end(), name) != fields.end()) continue;
    return absl::DataLossError(absl::StrCat("unknown field ", Json(name).dump(-1, ' ', true)));
  }
  if (read.sealed && SealedText(read.record) != text) {
    return absl::DataLossError("its seal does not match its text");
  }
  return read;
}

}  // namespace rcnn

#include "rcnn/training/trainer/sealed_json.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "rcnn/base/crc32c.h"

namespace rcnn::training {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kSeal[] = "seal";

std::string Text(const Json& record) {
  return record.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
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
  read.record = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!read.record.is_object()) return absl::DataLossError("not a JSON object");
  read.sealed = read.record.erase(kSeal) > 0;
  for (const auto& [name, unused] : read.record.items()) {
    if (std::find(fields.begin(), fields.end(), name) != fields.end()) continue;
    return absl::DataLossError(absl::StrCat("unknown field ", Json(name).dump(-1, ' ', true)));
  }
  if (read.sealed && SealedText(read.record) != text) {
    return absl::DataLossError("its seal does not fit its text");
  }
  return read;
}

}  // namespace rcnn::training

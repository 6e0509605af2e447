#include "rcnn/base/json_string.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_replace.h"
#include "rcnn/base/printable.h"

namespace rcnn {

std::string JsonString(absl::string_view text) {
  using Json = nlohmann::json;
  return PrintableJson(
      Json(std::string(text)).dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::string PrintableJson(absl::string_view json) {
  // Printable's form for code points, "\u202e", is that of JSON; its form for bytes is not, and
  // DEL is the only one that JSON has.
  return PrintableLines(absl::StrReplaceAll(json, {{"\x7f", "\\u007f"}}));
}

}  // namespace rcnn

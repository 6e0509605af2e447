#include "rcnn/base/json_string.h"

#include <nlohmann/json.hpp>

namespace rcnn {

std::string JsonString(absl::string_view text) {
  using Json = nlohmann::json;
  return Json(std::string(text)).dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace rcnn

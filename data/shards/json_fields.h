// The fields of a JSON object, with the first error remembered.
//
// Read all fields, then look at status() once: after an error functions return defaults, which
// are to be dropped. For objects whose fields are known; extra ones are ignored.
//
// Example:
//   JsonFields fields(element);
//   const int64_t width = fields.Whole("width", 1, 65535);
//   const std::string name = fields.Text("file_name");
//   RCNN_RETURN_IF_ERROR(fields.status(), "line 3");  // line 3: "width" is missing

#ifndef RCNN_DATA_SHARDS_JSON_FIELDS_H_
#define RCNN_DATA_SHARDS_JSON_FIELDS_H_

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "simdjson.h"

namespace rcnn::data {

class JsonFields {
 public:
  // The largest whole number, as a bound for any.
  static constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

  // `object` stays valid while this is used. Another value than an object is an error.
  explicit JsonFields(simdjson::dom::element object);

  // OK, or kInvalidArgument, `"key" is missing`, `"key" is not a number`, …, of the first field
  // that was wrong.
  const absl::Status& status() const { return status_; }

  bool Has(const char* key) const;

  // Required fields. A whole number in [low, high].
  int64_t Whole(const char* key, int64_t low, int64_t high);
  // A finite number.
  double Number(const char* key);
  std::string Text(const char* key);
  std::vector<simdjson::dom::element> List(const char* key);
  // A list of four finite numbers.
  std::array<double, 4> Box(const char* key);

  // 0 or 1, or missing, which is false.
  bool Mark(const char* key);

 private:
  std::optional<simdjson::dom::element> Find(const char* key);
  void Fail(const char* key, absl::string_view what);

  const simdjson::dom::element object_;
  absl::Status status_;
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_SHARDS_JSON_FIELDS_H_

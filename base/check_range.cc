#include "rcnn/base/check_range.h"

#include "absl/strings/str_cat.h"

namespace rcnn {

absl::Status CheckRange(absl::string_view field, double value, double low, double high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", value, ", not in [", low, ", ", high, "]"));
}

}  // namespace rcnn

#include "rcnn/detection/convolution/precision.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/instruction_set.h"

namespace rcnn::detection {

absl::string_view PrecisionName(Precision precision) {
  return precision == Precision::kFloat32 ? "float32" : "bfloat16";
}

absl::StatusOr<Precision> ParsePrecision(absl::string_view name) {
  for (const Precision precision : {Precision::kFloat32, Precision::kBfloat16}) {
    if (name == PrecisionName(precision)) return precision;
  }
  return absl::InvalidArgumentError(absl::StrCat("'", name, "' is not float32 or bfloat16"));
}

Precision SupportedPrecision(Precision wanted) {
  return HasBfloat16Products() ? wanted : Precision::kFloat32;
}

}  // namespace rcnn::detection

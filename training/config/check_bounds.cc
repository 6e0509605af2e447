#include "rcnn/training/config/check_bounds.h"

#include "absl/strings/str_cat.h"

namespace rcnn::training {

absl::Status CheckAtLeast(absl::string_view field, double value, double least) {
  if (value >= least) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": is ", value, "; must be at least ", least));
}

}  // namespace rcnn::training

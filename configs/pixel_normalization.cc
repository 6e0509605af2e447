#include "rcnn/configs/pixel_normalization.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/check_range.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::configs {
namespace {

using Numbers = google::protobuf::RepeatedField<double>;

// Three numbers, each in [low, 1e9], times `unit`; `otherwise` where there are none.
absl::StatusOr<std::array<double, 3>> ReadThree(absl::string_view field, const Numbers& values,
                                                double low, double unit, double otherwise) {
  if (values.empty()) return std::array<double, 3>{otherwise, otherwise, otherwise};
  if (values.size() != 3) {
    return absl::InvalidArgumentError(
        absl::StrCat(field, " has ", Counted(values.size(), "number"), ", not 3"));
  }
  for (const double value : values) RCNN_RETURN_IF_ERROR(CheckRange(field, value, low, 1e9));
  return std::array<double, 3>{values[0] * unit, values[1] * unit, values[2] * unit};
}

}  // namespace

absl::StatusOr<PixelNormalization> ReadNormalization(const NormalizationConfig& config) {
  RCNN_RETURN_IF_ERROR(CheckRange("normalization.scale", config.scale(), 1e-9, 1e9));
  const double unit = 1 / config.scale();
  PixelNormalization pixels;
  pixels.channel_order = config.channel_order();
  RCNN_ASSIGN_OR_RETURN(pixels.mean, ReadThree("normalization.mean", config.mean(), -1e9, unit, 0));
  RCNN_ASSIGN_OR_RETURN(pixels.std, ReadThree("normalization.std", config.std(), 1e-9, unit, unit));
  return pixels;
}

}  // namespace rcnn::configs

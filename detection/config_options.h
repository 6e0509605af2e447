// Converts messages of a config to the plain options of operators and checks every
// value. Errors name the field.

#ifndef RCNN_DETECTION_CONFIG_OPTIONS_H_
#define RCNN_DETECTION_CONFIG_OPTIONS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/ops/box_coder.h"

namespace rcnn::detection {

// `field` is the path of the message, "rpn.box_coder".
absl::StatusOr<ops::BoxCoderOptions> MakeBoxCoderOptions(const configs::BoxCoderConfig& config,
                                                         absl::string_view field);

// kInvalidArgument unless low <= value <= high.
absl::Status CheckRange(absl::string_view field, double value, double low, double high);

// Checks a norm of `channels` channels in `field`: the groups of a group norm must
// divide them.
absl::Status CheckNorm(absl::string_view field, const configs::NormConfig& config,
                       int64_t channels);

// Check the values of the messages themselves; networks and anchors are checked
// when they are created.
absl::Status CheckFpnConfig(const configs::FpnConfig& config);
absl::Status CheckRpnConfig(const configs::RpnConfig& config);
absl::Status CheckHeadConfig(const configs::HeadConfig& config);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONFIG_OPTIONS_H_

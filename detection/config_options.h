// Converts config messages to the operators' plain options and checks every value.
// Errors are kInvalidArgument and name the field.

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

// Checks a norm of `channels` channels in `field`: the groups of a group norm must
// divide them.
absl::Status CheckNorm(absl::string_view field, const configs::NormConfig& config,
                       int64_t channels);

// Check the values of the messages themselves; networks and anchors are checked
// when they are created.
absl::Status CheckFpnConfig(const configs::FpnConfig& config);
absl::Status CheckRpnConfig(const configs::RpnConfig& config);
absl::Status CheckHeadConfig(const configs::HeadConfig& config);
// `field` is the path of the message: a model and a stage each have their own limits.
absl::Status CheckProposalsConfig(const configs::ProposalsConfig& config, const std::string& field);
absl::Status CheckDetectionsConfig(const configs::DetectionsConfig& config,
                                   const std::string& field);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_CONFIG_OPTIONS_H_

// Creates the backbone that a config names.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(auto backbone, MakeBackbone(config.backbone(), config.has_fpn()));

#ifndef RCNN_DETECTION_MAKE_BACKBONE_H_
#define RCNN_DETECTION_MAKE_BACKBONE_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/detection/backbone.h"
#include "rcnn/detection/layers.h"

namespace rcnn::detection {

// Weights are zero until ResetParameters (layers.h) or an import; the config's
// frozen stages are frozen. `pyramid`: output all maps for a feature pyramid;
// otherwise the single map of a single-level detector. kInvalidArgument if `pyramid`
// is true and the network is not a ResNet, for an option out of range, for a config
// without a network, and for a name that is not registered.
absl::StatusOr<std::shared_ptr<Backbone>> MakeBackbone(const configs::BackboneConfig& config,
                                                       bool pyramid);

// Makes a network that a config names as backbone { registered { name } }. kInvalidArgument naming
// the option.
using BackboneFactory = std::function<absl::StatusOr<std::shared_ptr<Backbone>>(
    const configs::RegisteredBackboneConfig& config)>;

// Registers `name` for MakeBackbone and returns true. Ends the process if it is registered already.
// Example, in the network's own source:
//   const bool kRegistered = RegisterBackbone("my_net", &MakeMyNet);
bool RegisterBackbone(const std::string& name, BackboneFactory make);

// The norm's options. `unset` is used for a config without a kind.
NormOptions ReadNormOptions(const configs::NormConfig& config,
                            NormOptions::Kind unset = NormOptions::kNone);

// The norm of the ResNet in `config`; frozen batch norm if unset.
NormOptions ResNetNormOptions(const configs::ResNetConfig& config);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_MAKE_BACKBONE_H_

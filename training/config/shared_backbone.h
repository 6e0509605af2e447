// Whether two stages have the same backbone, according to the experiment.

#ifndef RCNN_TRAINING_CONFIG_SHARED_BACKBONE_H_
#define RCNN_TRAINING_CONFIG_SHARED_BACKBONE_H_

#include <string>

#include "rcnn/configs/experiment.pb.h"

namespace rcnn::training {

// Returns the stage that last changed the backbone (and pyramid, if any) of stage
// `name`: the stage itself, or, if its backbone is frozen and comes from another
// stage, that stage's origin. "(pretrained)" if no stage changed it. Two stages
// with the same origin share their backbone, bit for bit.
std::string BackboneOrigin(const configs::ExperimentConfig& config, const std::string& name);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_CONFIG_SHARED_BACKBONE_H_

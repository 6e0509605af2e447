// Whether two stages leave one backbone, by what the experiment says of them.

#ifndef RCNN_TRAINING_CONFIG_SHARED_BACKBONE_H_
#define RCNN_TRAINING_CONFIG_SHARED_BACKBONE_H_

#include <string>

#include "rcnn/configs/experiment.pb.h"

namespace rcnn::training {

// The stage that last changed the backbone (and the pyramid, where there is one)
// of what the stage `name` leaves: itself, or, where they are frozen as they came
// from another stage, that one's. "(pretrained)" where they never changed since.
// Two stages with the same origin share their backbone, bit for bit.
std::string BackboneOrigin(const configs::ExperimentConfig& config, const std::string& name);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_CONFIG_SHARED_BACKBONE_H_

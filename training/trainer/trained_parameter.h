// A weight that is trained, with its name.
//
// Example:
//   std::vector<TrainedParameter> parameters = {{"head.fc6.weight", weight}};

#ifndef RCNN_TRAINING_TRAINER_TRAINED_PARAMETER_H_
#define RCNN_TRAINING_TRAINER_TRAINED_PARAMETER_H_

#include <ATen/core/Tensor.h>

#include <string>

namespace rcnn::training {

// A float32 leaf that requires a gradient, with the name used by rules (configs/solver.proto) and
// checkpoints.
struct TrainedParameter {
  std::string name;
  at::Tensor value;
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_TRAINED_PARAMETER_H_

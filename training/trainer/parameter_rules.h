// Which learning rate and weight decay each parameter gets, by the rules of SolverConfig.
//
// The first rule that matches a parameter gives its multipliers; without one they are 1. A rule
// matches by the beginning of the name, in whole parts, and by kind: biases by their name, and
// norms by their one-dimensional weight.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const std::vector<ParameterMultipliers> multipliers,
//                         FindMultipliers(config, parameters));

#ifndef RCNN_TRAINING_TRAINER_PARAMETER_RULES_H_
#define RCNN_TRAINING_TRAINER_PARAMETER_RULES_H_

#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/configs/solver.pb.h"
#include "rcnn/training/trainer/trained_parameter.h"

namespace rcnn::training {

struct ParameterMultipliers {
  double learning_rate = 1;
  double weight_decay = 1;
};

// The multipliers of each parameter, in their order. kInvalidArgument, naming the parameter or the
// rule, if a parameter is not a dense float32 leaf that requires a gradient, two share a name, or a
// rule matches none.
absl::StatusOr<std::vector<ParameterMultipliers>> FindMultipliers(
    const configs::SolverConfig& config, const std::vector<TrainedParameter>& parameters);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_PARAMETER_RULES_H_

// The learning rate as a function of the iteration.
//
// A pure function of the config, so resuming needs no state. Sources: Caffe's
// lr_policy "step" and "multistep"; Loshchilov and Hutter, arXiv:1608.03983, Eq. 5
// without restarts (cosine); Goyal et al., arXiv:1706.02677, Sec. 2.2 (warm-up).
//
// Example:
//   RCNN_RETURN_IF_ERROR(CheckSolverConfig(config));
//   const double rate = LearningRate(config, iteration);

#ifndef RCNN_TRAINING_TRAINER_LEARNING_RATE_H_
#define RCNN_TRAINING_TRAINER_LEARNING_RATE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "rcnn/configs/solver.pb.h"

namespace rcnn::training {

// OK if every field is in its range; else kInvalidArgument naming field and value.
absl::Status CheckSolverConfig(const configs::SolverConfig& config);

// Returns the rate of update `iteration`, 0 <= iteration < config.iterations(),
// before per-parameter multipliers. `config` has passed CheckSolverConfig.
double LearningRate(const configs::SolverConfig& config, int64_t iteration);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_LEARNING_RATE_H_

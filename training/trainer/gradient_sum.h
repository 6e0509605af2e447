// Adds up the gradients of several ranks.
//
// In buckets: the gradients of many parameters go through the network as one array, in the order
// of the parameters, so that small ones cost no round trip each. All ranks get the same bits, and
// the same from run to run, as RankGroup::Sum adds in the order of the ranks.
//
// Example:
//   RCNN_RETURN_IF_ERROR(SumGradients(*ranks, parameters, has_gradient));

#ifndef RCNN_TRAINING_TRAINER_GRADIENT_SUM_H_
#define RCNN_TRAINING_TRAINER_GRADIENT_SUM_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "rcnn/training/distributed/rank_group.h"
#include "rcnn/training/trainer/solver.h"

namespace rcnn::training {

// Bytes of a bucket; a larger gradient has a bucket of its own. Large enough that the latency of a
// network does not count, small enough that the copy does not.
inline constexpr int64_t kBucketBytes = int64_t{25} << 20;

// '1' for each parameter that has a gradient, else '0'.
std::string WhichHaveGradients(const std::vector<TrainedParameter>& parameters);

// A collective: replaces each gradient by its sum over all ranks. `has_gradient`, the same on all
// ranks, has '1' for each parameter that has a gradient on any rank: where it is missing, it
// counts as 0 and is there afterwards. Other parameters stay without one. Errors of RankGroup.
absl::Status SumGradients(RankGroup& ranks, const std::vector<TrainedParameter>& parameters,
                          const std::string& has_gradient, int64_t bucket_bytes = kBucketBytes);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_GRADIENT_SUM_H_

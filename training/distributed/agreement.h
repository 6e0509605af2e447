// How ranks agree on an error that only some of them have, without waiting for a time limit.
//
// Both are collectives. Where the connection between the ranks fails they return its error.
//
// Example:
//   RCNN_RETURN_IF_ERROR(Agree(*ranks, ComputeMyImages()));

#ifndef RCNN_TRAINING_DISTRIBUTED_AGREEMENT_H_
#define RCNN_TRAINING_DISTRIBUTED_AGREEMENT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/training/distributed/rank_group.h"

namespace rcnn::training {

// OK if `mine` is OK on all ranks. Otherwise, on all ranks, the error of the first rank that has
// one, after "rank <its number>: ". kCancelled, which is nobody's fault, only if no rank has
// another error, and without a number.
absl::Status Agree(RankGroup& ranks, const absl::Status& mine);

// What `mine` is on rank 0, on all ranks: bytes, or an error. That of other ranks is ignored.
absl::StatusOr<std::string> ResultOfFirst(RankGroup& ranks,
                                          const absl::StatusOr<std::string>& mine);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_DISTRIBUTED_AGREEMENT_H_

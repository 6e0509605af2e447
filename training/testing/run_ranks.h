// Several ranks as threads of one process, for tests: they meet and exchange data as processes do.
// Each has one thread for its tensors, as those of several would only compete for the cores.

#ifndef RCNN_TRAINING_TESTING_RUN_RANKS_H_
#define RCNN_TRAINING_TESTING_RUN_RANKS_H_

#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "rcnn/training/distributed/rank_group.h"

namespace rcnn::training {

// Calls `work` in `ranks` threads, each with its rank of a group, and returns what each returns, in
// the order of the ranks. With one rank the group is null. A rank that fails reports it to the
// others. An error of joining is a test failure.
std::vector<absl::Status> RunRanks(
    int ranks, const std::function<absl::Status(std::shared_ptr<RankGroup>)>& work);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TESTING_RUN_RANKS_H_

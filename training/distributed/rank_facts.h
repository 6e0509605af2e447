// The facts in which all ranks of a group must agree, and the error where they do not.
//
// RankGroup::CheckSame exchanges them.
//
// Example:
//   const std::string mine = PackFacts({{"data.train", fingerprint}, {"seed", "3"}});
//   RCNN_RETURN_IF_ERROR(CompareFacts(GatherFromAllRanks(mine)));

#ifndef RCNN_TRAINING_DISTRIBUTED_RANK_FACTS_H_
#define RCNN_TRAINING_DISTRIBUTED_RANK_FACTS_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace rcnn::training {

// Facts by name, in order.
using Facts = std::vector<std::pair<std::string, std::string>>;

// The bytes of facts, for other ranks. Names and values are UTF-8.
std::string PackFacts(const Facts& facts);

// Compares the facts of all ranks, in their order, packed. kFailedPrecondition, naming the first
// fact of the first rank that is not rank 0's, and both values, or that one of them has nothing
// there.
absl::Status CompareFacts(const std::vector<std::string>& packed);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_DISTRIBUTED_RANK_FACTS_H_

// Exchanges the proposals of a batch between the ranks that share it.
//
// A collective: all ranks of the group, also those of other batches, call Share or Abandon, each
// once in an update.
//
// Example:
//   const std::vector<at::Tensor> all = exchange.Share(own);

#ifndef RCNN_TRAINING_TRAINER_PROPOSAL_EXCHANGE_H_
#define RCNN_TRAINING_TRAINER_PROPOSAL_EXCHANGE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "rcnn/training/distributed/rank_group.h"
#include "rcnn/training/trainer/update_share.h"

namespace rcnn::training {

// Thrown where this rank cannot go on because of another one.
class OtherRankFailed : public std::exception {
 public:
  explicit OtherRankFailed(absl::Status connection)
      : connection_(std::move(connection)), what_(connection_.message()) {}

  // OK: the other rank lives, and will say itself what has happened. Otherwise the error of the
  // connection between the ranks, after which they cannot exchange anything.
  const absl::Status& connection() const { return connection_; }
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  absl::Status connection_;
  std::string what_;
};

// Proposals of all images of a batch.
struct SharedProposals {
  std::vector<at::Tensor> images;  // [P_b, 4] float32 of each, in order, on the CPU
  int64_t capacity = 0;            // the largest of those that the ranks gave
};

class ProposalExchange {
 public:
  // `in_step`: the ranks exchange other values in the same step (shared_norms.h).
  ProposalExchange(std::shared_ptr<RankGroup> ranks, const UpdateShare& share, bool in_step = false)
      : ranks_(std::move(ranks)), share_(share), in_step_(in_step) {}

  // Gives the proposals [P_b, 4] float32 of each image of this rank's part, on any device, and
  // returns those of all images of its batch, in order, on the CPU. Throws OtherRankFailed, also if
  // another rank has called Abandon.
  std::vector<at::Tensor> Share(const std::vector<at::Tensor>& own);

  // The same, with the most proposals that one of this rank's images can have
  // (detection::JointRpnPass::proposal_capacity).
  SharedProposals ShareCounted(const std::vector<at::Tensor>& own, int64_t capacity);

  // In place of Share, if this rank has no proposals because of an error. Does nothing with
  // `in_step`, as the others may be waiting elsewhere: the error has to break the connection.
  void Abandon();

 private:
  const std::shared_ptr<RankGroup> ranks_;
  const UpdateShare share_;
  const bool in_step_;
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_PROPOSAL_EXCHANGE_H_

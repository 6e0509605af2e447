// Running statistics of batch norms that several ranks train.
//
// A batch norm uses the statistics of the whole batch. But a rank adds those of its own batches
// alone to its running statistics. With momentum m, n batches
// with the statistics s_0 ... s_(n-1), and running statistics v before them, one process gets
//
//   (1 - m)^n v + sum over i of m (1 - m)^(n-1-i) s_i
//
// and a rank with the batches [b, e) gets (1 - m)^(e-b) v + sum over i of m (1 - m)^(e-1-i) s_i,
// so that the first follows from the second of all ranks. Where several ranks take parts of a batch
// (shared_norms.h) all have its statistics, and the first of them counts. Statistics stay on their
// device, and nothing but the sum over the ranks waits for it.
//
// Example:
//   statistics.Keep();
//   ForwardAndBackward();
//   RCNN_RETURN_IF_ERROR(statistics.Merge(*ranks, share));

#ifndef RCNN_TRAINING_TRAINER_SHARED_STATISTICS_H_
#define RCNN_TRAINING_TRAINER_SHARED_STATISTICS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/layers.h"
#include "rcnn/training/distributed/rank_group.h"
#include "rcnn/training/trainer/update_share.h"

namespace rcnn::training {

class SharedStatistics {
 public:
  // Of the norms of `model` that are trained now.
  explicit SharedStatistics(const detection::FasterRcnn& model);

  // Remembers the statistics, before the batches of an update.
  void Keep();

  // Puts the remembered ones back.
  void Restore();

  // A collective: makes the statistics those of all batches of the update, of which this rank has
  // taken `share`. Errors of RankGroup.
  absl::Status Merge(RankGroup& ranks, const UpdateShare& share);

 private:
  struct Entry {
    detection::RunningStatistics now;
    at::Tensor mean, variance, batches;  // kept
  };

  // How many statistics the entry would have got since Keep from `batches` batches of the update: a
  // float64 scalar.
  static at::Tensor Collected(const Entry& entry, int64_t batches, const UpdateShare& share);

  // [mean, variance] of an entry, as this rank contributes them.
  static std::vector<at::Tensor> Contribution(const Entry& entry, const UpdateShare& share);

  std::vector<Entry> entries_;
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_SHARED_STATISTICS_H_

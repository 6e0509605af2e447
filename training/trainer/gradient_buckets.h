// Adds up the gradients of several ranks, while the backward pass still computes others.
//
// In buckets: the gradients of many parameters are added up together, so that small ones cost no
// round trip each. The backward pass has the gradients of the last parameters first, so the buckets
// are filled in the reverse order of the parameters. A thread adds up a bucket as soon as its
// gradients are final. All ranks get the same bits, and the same from run to run, as RankGroup::Sum
// adds in the order of the ranks.
//
// On a GPU the thread copies a bucket into one tensor, whose sum the device begins by itself while
// it still computes other gradients; nothing waits for the device before Store. So ranks that have
// died are found by the messages that the ranks exchange between Finish and Store, as on the CPU,
// and not by sums that do not end.
//
// A collective: all ranks call Finish in every update, also one that has no gradients because of an
// error; Start is each rank's own choice. The group is used for nothing else between them.
//
// Source: Li et al., arXiv:2006.15704v1, Sec. 3.2, for buckets in reverse order and the overlap.
//
// Example:
//   buckets.Start();
//   loss.backward();
//   RCNN_RETURN_IF_ERROR(buckets.Finish());
//   RCNN_RETURN_IF_ERROR(buckets.Store(has_gradient));

#ifndef RCNN_TRAINING_TRAINER_GRADIENT_BUCKETS_H_
#define RCNN_TRAINING_TRAINER_GRADIENT_BUCKETS_H_

#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/function.h>

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "rcnn/training/distributed/rank_group.h"
#include "rcnn/training/trainer/trained_parameter.h"

namespace rcnn::training {

// Bytes of a bucket; a larger gradient has a bucket of its own. Large enough that the latency of a
// network does not count. The first bucket is small, so that the sums begin early.
struct BucketBytes {
  int64_t first = int64_t{1} << 20;
  int64_t others = int64_t{25} << 20;
};

// '1' for each parameter that has a gradient, else '0'.
std::string WhichHaveGradients(const std::vector<TrainedParameter>& parameters);

class GradientBuckets {
 public:
  // `parameters` are the same on all ranks.
  GradientBuckets(std::shared_ptr<RankGroup> ranks, std::vector<TrainedParameter> parameters,
                  const BucketBytes& bytes = {});
  ~GradientBuckets();

  GradientBuckets(const GradientBuckets&) = delete;
  GradientBuckets& operator=(const GradientBuckets&) = delete;

  // Call it before the last backward pass of an update: a gradient is final once that has added to
  // it. Without it, all sums wait for Finish.
  void Start();

  // Waits until all gradients are replaced by their sums over all ranks, or, on a GPU, until all
  // sums have begun. One that is missing counts as 0, and stays missing until Store. Errors of
  // RankGroup; kResourceExhausted if there is no memory for a bucket.
  absl::Status Finish();

  // Waits for the sums on a GPU. Parameters that have no gradient but '1' in `has_gradient` get the
  // sum as their gradient. Need not be called after an abandoned update.
  absl::Status Store(const std::string& has_gradient);

  // Buckets that have been added up since the last Finish. For the test.
  int64_t summed() const;

 private:
  class Hook;

  struct Bucket {
    std::vector<size_t> parameters;
    size_t missing = 0;  // gradients that are not final
  };

  // A sum on a GPU that has begun.
  struct Begun {
    std::vector<at::Tensor> gradients;
    at::Tensor sum;  // of all of them, one after the other
  };

  void FillBuckets(const BucketBytes& bytes);
  void AddHooks();
  // Called by the backward pass, in any of its threads.
  void SetFinal(size_t bucket);
  // Whether the next bucket can be added up.
  bool NextIsFinal() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsDone() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The thread that adds up.
  void Work();
  absl::Status SumBucket(const Bucket& bucket);
  absl::Status BeginOnDevice(std::vector<at::Tensor> gradients);
  absl::Status FinishOnDevice();
  // The gradient of a parameter, in memory that nothing else uses; zeros in place of a missing one.
  at::Tensor OwnGradient(size_t parameter);

  const std::shared_ptr<RankGroup> ranks_;
  const std::vector<TrainedParameter> parameters_;
  std::vector<at::Tensor> sums_;  // of each parameter without a gradient here
  std::vector<Begun> begun_;  // used by the thread until the end of Finish, as the gradients are
  // Keep the hooks alive: for each parameter its node of the graph and the hook's key.
  std::vector<std::shared_ptr<torch::autograd::Node>> accumulators_;
  std::vector<uintptr_t> hooks_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Bucket> buckets_ ABSL_GUARDED_BY(mutex_);
  bool is_started_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_finishing_ ABSL_GUARDED_BY(mutex_) = false;  // all that is missing stays missing
  bool is_closing_ ABSL_GUARDED_BY(mutex_) = false;
  size_t next_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);

  std::thread thread_;
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TRAINER_GRADIENT_BUCKETS_H_

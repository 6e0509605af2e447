// Batches of a dataset, prepared ahead of time by worker threads.
//
// The sequence of batches depends only on the options and the iteration's number
// (batch_planner.h): the number of workers changes nothing but the speed, and a
// loader that starts at iteration i continues exactly like one that has reached i.
// Work is distributed image by image, so that the first batch is ready as soon as
// possible; at most `prefetched_batches` are in memory.
//
// Call Next() from one thread at a time. An image's error is returned by the Next()
// whose batch needs it, and names the image; later batches are not affected.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(std::unique_ptr<Loader> loader, Loader::Create(dataset, options));
//   for (int64_t i = options.first_iteration; i < iterations; ++i) {
//     RCNN_ASSIGN_OR_RETURN(Batch batch, loader->Next());
//     Train(batch);
//   }

#ifndef RCNN_DATA_LOADER_LOADER_H_
#define RCNN_DATA_LOADER_LOADER_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rcnn/configs/loader.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/loader/batch.h"
#include "rcnn/data/loader/batch_builder.h"
#include "rcnn/data/loader/batch_planner.h"

namespace rcnn::data {

// The iterations that one of several processes takes: of every `period` of them, counted from
// iteration 0, those at the positions [begin, end).
struct IterationShare {
  int64_t period = 1;
  int64_t begin = 0;
  int64_t end = 1;  // begin < end <= period
};

struct LoaderOptions {
  // The contents of the batches.
  BatchOptions batches;
  BatchBuilderOptions contents;
  // The resources for preparing them.
  configs::LoaderResources resources;
  // The first batch that Next() returns, or the next one of the share.
  int64_t first_iteration = 0;
  // The batches that Next() returns: by default all.
  IterationShare share = {};
};

// Statistics since Create().
struct LoaderStats {
  // Calls of Next() that returned a batch or an image's error.
  int64_t batches = 0;
  // Total time of all calls of Next().
  absl::Duration wait;
  // Batches that were ready when Next() was called, summed over all calls; divided
  // by `batches`, the mean depth of the queue.
  int64_t ready = 0;
};

class Loader {
 public:
  // Starts the workers. kInvalidArgument, naming the field, if an option is out of
  // range or there are too few images for one batch.
  static absl::StatusOr<std::unique_ptr<Loader>> Create(std::shared_ptr<const Dataset> dataset,
                                                        const LoaderOptions& options);

  // Waits for images in progress and drops the others.
  ~Loader();

  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // The next batch, or the error of one of its images. In evaluation
  // kOutOfRange after the last one.
  absl::StatusOr<Batch> Next();

  // Batches per epoch, of all shares; in evaluation, the total number of batches.
  int64_t batches_per_epoch() const { return batches_per_epoch_; }

  LoaderStats stats() const;

 private:
  // A batch from its plan to its completion.
  struct Job {
    BatchPlan plan;
    Batch batch;
    size_t started = 0;   // images handed out
    size_t finished = 0;  // images done, with or without an error
    std::vector<absl::Status> errors;

    bool complete() const { return finished == errors.size(); }
    absl::StatusOr<Batch> Result();
  };

  Loader(BatchPlanner planner, std::unique_ptr<BatchBuilder> builder, const LoaderOptions& options);

  absl::Status Prepare(Job& job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::shared_ptr<Job> MakeJob() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The first iteration of the share that is not before `iteration`.
  int64_t InShare(int64_t iteration) const;
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool FrontIsReady() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::shared_ptr<Job> TakeFront();
  void Work();
  void FillAlone(Job& job) const;

  const std::unique_ptr<BatchBuilder> builder_;
  const size_t capacity_;
  const int64_t batches_per_epoch_;
  const IterationShare share_;
  const int64_t end_;  // of evaluation; otherwise beyond every iteration

  mutable std::mutex mutex_;
  std::condition_variable changed_;  // what HasWork and FrontIsReady look at
  BatchPlanner planner_ ABSL_GUARDED_BY(mutex_);
  int64_t next_iteration_ ABSL_GUARDED_BY(mutex_);  // to be planned
  std::deque<std::shared_ptr<Job>> queue_ ABSL_GUARDED_BY(mutex_);
  LoaderStats stats_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::vector<std::thread> workers_;
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_LOADER_LOADER_H_

// The queue holds the jobs from the next batch to be returned to the last one planned.
// Workers take one image at a time: they plan and hand out images under the lock, and fill
// them without it. Invariants while the lock is free:
//
//   queue_ has at most capacity_ jobs, in the order of their iterations
//   only the last job has images that are not handed out; a job is planned when it has none
//   next_iteration_ is that of the job after the last one
//
// Next() takes the first job once all of its images are done. Without workers it plans and
// fills its batch itself. Batches are planned one after the other, but only by iteration
// number (batch_planner.h), so they do not depend on the workers' timing.

#include "rcnn/data/loader/loader.h"

#include <ATen/Parallel.h>
#include <omp.h>

#include <algorithm>
#include <limits>
#include <mutex>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/monotonic_time.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/loader/loader_resources.h"

namespace rcnn::data {
namespace {

absl::Status CheckOptions(const LoaderOptions& options) {
  RCNN_RETURN_IF_ERROR(CheckLoaderResources(options.resources));
  if (options.first_iteration < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("first_iteration is ", options.first_iteration, "; it must be >= 0"));
  }
  const IterationShare& share = options.share;
  if (share.begin < 0 || share.begin >= share.end || share.end > share.period) {
    return absl::InvalidArgumentError(absl::StrCat("share is [", share.begin, ", ", share.end,
                                                   ") of ", Counted(share.period, "iteration"),
                                                   "; it must be a part of them"));
  }
  return absl::OkStatus();
}

// Operators called from this thread start no threads: images are the unit of
// parallel work, and the training step needs the cores.
void KeepToThisThread() {
  at::internal::lazy_init_num_threads();
  omp_set_num_threads(1);
}

}  // namespace

absl::StatusOr<Batch> Loader::Job::Result() {
  for (const absl::Status& error : errors) RCNN_RETURN_IF_ERROR(error);
  return std::move(batch);
}

absl::StatusOr<std::unique_ptr<Loader>> Loader::Create(std::shared_ptr<const Dataset> dataset,
                                                       const LoaderOptions& options) {
  RCNN_RETURN_IF_ERROR(CheckOptions(options));
  RCNN_ASSIGN_OR_RETURN(BatchPlanner planner, BatchPlanner::Create(dataset, options.batches));
  RCNN_ASSIGN_OR_RETURN(std::unique_ptr<BatchBuilder> builder,
                        BatchBuilder::Create(std::move(dataset), options.contents));
  return std::unique_ptr<Loader>(new Loader(std::move(planner), std::move(builder), options));
}

Loader::Loader(BatchPlanner planner, std::unique_ptr<BatchBuilder> builder,
               const LoaderOptions& options)
    : builder_(std::move(builder)),
      capacity_(static_cast<size_t>(options.resources.prefetched_batches())),
      batches_per_epoch_(planner.batches_per_epoch()),
      share_(options.share),
      end_(options.batches.mode == LoaderMode::kEvaluation ? batches_per_epoch_
                                                           : std::numeric_limits<int64_t>::max()),
      planner_(std::move(planner)),
      next_iteration_(InShare(options.first_iteration)) {
  for (int i = 0; i < options.resources.workers(); ++i) workers_.emplace_back([this] { Work(); });
}

Loader::~Loader() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

int64_t Loader::InShare(int64_t iteration) const {
  const int64_t position = iteration % share_.period;
  const int64_t start = iteration - position;
  if (position < share_.begin) return start + share_.begin;
  return position < share_.end ? iteration : start + share_.period + share_.begin;
}

absl::Status Loader::Prepare(Job& job) {
  const int64_t iteration = std::exchange(next_iteration_, InShare(next_iteration_ + 1));
  RCNN_ASSIGN_OR_RETURN(job.plan, planner_.Plan(iteration));
  RCNN_ASSIGN_OR_RETURN(job.batch, builder_->Allocate(job.plan));
  job.errors.resize(job.plan.images.size());
  return absl::OkStatus();
}

// A batch that cannot be planned becomes a job without images and with the error.
std::shared_ptr<Loader::Job> Loader::MakeJob() {
  auto job = std::make_shared<Job>();
  const absl::Status status = Prepare(*job);
  if (!status.ok()) {
    job->errors = {status};
    job->started = job->finished = 1;
  }
  return job;
}

bool Loader::HasWork() const {
  if (stopping_) return true;
  if (!queue_.empty() && queue_.back()->started < queue_.back()->errors.size()) return true;
  return queue_.size() < capacity_ && next_iteration_ < end_;
}

void Loader::Work() {
  KeepToThisThread();
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return HasWork(); });
    if (stopping_) return;
    if (queue_.empty() || queue_.back()->started == queue_.back()->errors.size()) {
      queue_.push_back(MakeJob());
      changed_.notify_all();
    }
    const std::shared_ptr<Job> job = queue_.back();
    if (job->started == job->errors.size()) continue;
    const size_t slot = job->started++;
    lock.unlock();
    absl::Status status = builder_->Fill(job->plan, slot, job->batch);
    lock.lock();
    job->errors[slot] = std::move(status);
    ++job->finished;
    if (job->complete()) changed_.notify_all();
  }
}

void Loader::FillAlone(Job& job) const {
  for (; job.finished < job.errors.size(); ++job.finished) {
    job.errors[job.finished] = builder_->Fill(job.plan, job.finished, job.batch);
  }
}

bool Loader::FrontIsReady() const {
  return queue_.empty() ? next_iteration_ >= end_ : queue_.front()->complete();
}

// Null at the end of evaluation.
std::shared_ptr<Loader::Job> Loader::TakeFront() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (workers_.empty()) return next_iteration_ < end_ ? MakeJob() : nullptr;
  stats_.ready += std::count_if(queue_.begin(), queue_.end(),
                                [](const std::shared_ptr<Job>& job) { return job->complete(); });
  changed_.wait(lock, [this] { return FrontIsReady(); });
  if (queue_.empty()) return nullptr;
  std::shared_ptr<Job> job = std::move(queue_.front());
  queue_.pop_front();
  changed_.notify_all();
  return job;
}

absl::StatusOr<Batch> Loader::Next() {
  const absl::Time start = MonotonicNow();
  const std::shared_ptr<Job> job = TakeFront();
  if (job == nullptr) {
    return absl::OutOfRangeError(absl::StrCat("there ", Noun(end_, "is", "are"), " only ",
                                              Counted(end_, "batch", "batches")));
  }
  if (workers_.empty()) FillAlone(*job);
  const std::lock_guard<std::mutex> lock(mutex_);
  ++stats_.batches;
  stats_.wait += MonotonicNow() - start;
  return job->Result();
}

LoaderStats Loader::stats() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return stats_;
}

}  // namespace rcnn::data

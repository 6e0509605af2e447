// The state of an update:
//
//   is_started_   is_finishing_   the thread adds up
//   false         false           nothing
//   true          false           the next bucket, once all of its gradients are final
//   any           true            all that are left
//
// Invariants:
//   - All ranks add up the buckets in the same order, whatever becomes final first.
//   - Only the thread uses the group and the gradients of a bucket from when it is final to the end
//     of Finish. Finish is called after the backward pass.
//   - On a GPU all work but the sums themselves is given to one stream, in the order of the host:
//     a bucket is copied after its gradients, and copied back after the whole backward pass.
//   - After an error no other bucket is added up.

#include "rcnn/training/trainer/gradient_buckets.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros_like.h>
#include <omp.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <utility>

#include "rcnn/base/exception_status.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::training {

// Runs after the gradient of its parameter has been added.
class GradientBuckets::Hook : public torch::autograd::FunctionPostHook {
 public:
  Hook(GradientBuckets& owner, size_t bucket) : owner_(owner), bucket_(bucket) {}

  torch::autograd::variable_list operator()(const torch::autograd::variable_list& outputs,
                                            const torch::autograd::variable_list&) override {
    owner_.SetFinal(bucket_);
    return outputs;
  }

 private:
  GradientBuckets& owner_;
  const size_t bucket_;
};

std::string WhichHaveGradients(const std::vector<TrainedParameter>& parameters) {
  std::string has_gradient;
  for (const TrainedParameter& parameter : parameters) {
    has_gradient += parameter.value.grad().defined() ? '1' : '0';
  }
  return has_gradient;
}

GradientBuckets::GradientBuckets(std::shared_ptr<RankGroup> ranks,
                                 std::vector<TrainedParameter> parameters, const BucketBytes& bytes)
    : ranks_(std::move(ranks)), parameters_(std::move(parameters)), sums_(parameters_.size()) {
  FillBuckets(bytes);
  AddHooks();
  thread_ = std::thread([this] { Work(); });
}

GradientBuckets::~GradientBuckets() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_closing_ = true;
  }
  changed_.notify_all();
  thread_.join();
  for (size_t i = 0; i < accumulators_.size(); ++i) accumulators_[i]->del_post_hook(hooks_[i]);
}

void GradientBuckets::FillBuckets(const BucketBytes& bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  int64_t filled = 0;
  for (size_t p = parameters_.size(); p-- > 0;) {
    const auto more = static_cast<int64_t>(parameters_[p].value.nbytes());
    const int64_t limit = buckets_.size() > 1 ? bytes.others : bytes.first;
    if (buckets_.empty() || filled + more > limit) {
      buckets_.emplace_back();
      filled = 0;
    }
    buckets_.back().parameters.push_back(p);
    filled += more;
  }
}

void GradientBuckets::AddHooks() {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (size_t b = 0; b < buckets_.size(); ++b) {
    for (const size_t p : buckets_[b].parameters) {
      accumulators_.push_back(torch::autograd::impl::grad_accumulator(parameters_[p].value));
      hooks_.push_back(accumulators_.back()->add_post_hook(std::make_unique<Hook>(*this, b)));
    }
  }
}

void GradientBuckets::Start() {
  const std::lock_guard<std::mutex> lock(mutex_);
  is_started_ = true;
  for (Bucket& bucket : buckets_) bucket.missing = bucket.parameters.size();
}

void GradientBuckets::SetFinal(size_t bucket) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!is_started_) return;
  if (--buckets_[bucket].missing == 0) changed_.notify_all();
}

bool GradientBuckets::NextIsFinal() const {
  if (next_ == buckets_.size() || !status_.ok()) return false;
  return is_finishing_ || (is_started_ && buckets_[next_].missing == 0);
}

bool GradientBuckets::IsDone() const { return next_ == buckets_.size() || !status_.ok(); }

absl::Status GradientBuckets::Finish() {
  std::unique_lock<std::mutex> lock(mutex_);
  is_finishing_ = true;
  changed_.notify_all();
  changed_.wait(lock, [this] { return IsDone(); });
  is_started_ = is_finishing_ = false;
  next_ = 0;
  return status_;
}

absl::Status GradientBuckets::Store(const std::string& has_gradient) {
  RCNN_RETURN_IF_ERROR(FinishOnDevice());
  for (size_t p = 0; p < parameters_.size(); ++p) {
    const at::Tensor value = parameters_[p].value;
    if (has_gradient[p] == '1' && !value.grad().defined()) value.mutable_grad() = sums_[p];
    sums_[p].reset();
  }
  return absl::OkStatus();
}

int64_t GradientBuckets::summed() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return static_cast<int64_t>(next_);
}

// A collective's operators run in this thread alone: the others compute gradients.
void GradientBuckets::Work() {
  at::internal::lazy_init_num_threads();
  omp_set_num_threads(1);
  const at::NoGradGuard no_grad;
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return is_closing_ || NextIsFinal(); });
    if (is_closing_) return;
    const Bucket& bucket = buckets_[next_];
    if (next_ == 0) begun_.clear();  // of an abandoned update
    lock.unlock();
    absl::Status status = CatchExceptions([&] { return SumBucket(bucket); });
    lock.lock();
    if (status.ok()) {
      ++next_;
    } else {
      status_ = std::move(status);
    }
    if (IsDone()) changed_.notify_all();
  }
}

// The backward pass may still read the memory of a gradient that is final: that of a shift which is
// added to a map of 1 x 1 is the map's own gradient.
at::Tensor GradientBuckets::OwnGradient(size_t parameter) {
  const at::Tensor& value = parameters_[parameter].value;
  if (!value.grad().defined()) {
    sums_[parameter] = at::zeros_like(value.detach());
    return sums_[parameter];
  }
  if (value.grad().storage().use_count() > 1) value.mutable_grad() = value.grad().clone();
  return value.grad();
}

absl::Status GradientBuckets::SumBucket(const Bucket& bucket) {
  std::vector<at::Tensor> gradients, rows;
  for (const size_t p : bucket.parameters) gradients.push_back(OwnGradient(p));
  if (ranks_->IsOnDevice(gradients.front())) return BeginOnDevice(std::move(gradients));
  for (const at::Tensor& gradient : gradients) rows.push_back(gradient.contiguous());
  RCNN_RETURN_IF_ERROR(ranks_->Sum(rows));
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i].is_same(gradients[i])) gradients[i].copy_(rows[i]);
  }
  return absl::OkStatus();
}

absl::Status GradientBuckets::BeginOnDevice(std::vector<at::Tensor> gradients) {
  std::vector<at::Tensor> rows;
  for (const at::Tensor& gradient : gradients) rows.push_back(gradient.reshape({-1}));
  begun_.push_back({std::move(gradients), at::cat(rows)});
  return ranks_->BeginSum(begun_.back().sum);
}

absl::Status GradientBuckets::FinishOnDevice() {
  if (begun_.empty()) return absl::OkStatus();
  RCNN_RETURN_IF_ERROR(ranks_->FinishSums());
  const at::NoGradGuard no_grad;
  for (const Begun& bucket : begun_) {
    int64_t begin = 0;
    for (const at::Tensor& gradient : bucket.gradients) {
      gradient.copy_(bucket.sum.narrow(0, begin, gradient.numel()).view(gradient.sizes()));
      begin += gradient.numel();
    }
  }
  begun_.clear();
  return absl::OkStatus();
}

}  // namespace rcnn::training

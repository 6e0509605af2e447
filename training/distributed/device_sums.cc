// A work item of LibTorch has three answers. isCompleted says, without waiting, whether the device
// has made the sum or an error has ended it; exception, which error that was; and wait, for NCCL,
// only lets the work that this thread gives to the device from now on come after the sum. So Finish
// asks the first until it is true, which is what limits the time: a sum on a GPU that hangs would
// otherwise stop the host at the next number that it reads from there, for good.

#include "rcnn/training/distributed/device_sums.h"

#include <exception>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "rcnn/base/monotonic_time.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/training/distributed/within_time.h"

namespace rcnn::training {
namespace {

constexpr absl::Duration kPause = absl::Microseconds(50);
constexpr absl::Duration kCheck = absl::Milliseconds(200);
constexpr absl::Duration kCloseLimit = absl::Seconds(5);

}  // namespace

// The thread that closes has the only reference to the backend, as it may outlive this object.
DeviceSums::~DeviceSums() {
  const bool all_ended = begun_.empty() && !is_given_up_;
  begun_.clear();
  const auto owner = std::make_shared<CollectiveBackendPtr>(std::move(backend_));
  WithinTime<bool>(kCloseLimit,
                   [owner, all_ended, close = library_.close] {
                     close(**owner, all_ended);
                     owner->reset();
                     return absl::StatusOr<bool>(true);
                   })
      .status()
      .IgnoreError();
}

void DeviceSums::Begin(const at::Tensor& values) {
  std::vector<at::Tensor> arrays = {values};
  begun_.push_back(backend_->allreduce(arrays));
}

absl::Status DeviceSums::Finish(absl::Duration timeout,
                                const std::function<absl::Status()>& check) {
  const absl::Time start = MonotonicNow();
  absl::Time next_check = start + kCheck;
  for (const CollectiveWorkPtr& work : begun_) {
    while (!work->isCompleted()) {
      const absl::Time now = MonotonicNow();
      if (now - start >= timeout) return absl::DeadlineExceededError("a sum has not ended");
      if (now >= next_check) {
        RCNN_RETURN_IF_ERROR(check());
        next_check = now + kCheck;
      }
      absl::SleepFor(kPause);
    }
    if (const std::exception_ptr error = work->exception()) std::rethrow_exception(error);
    work->wait();
  }
  begun_.clear();
  return absl::OkStatus();
}

}  // namespace rcnn::training

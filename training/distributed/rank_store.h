// What the ranks of a group tell each other besides data: who takes part, why one stops, what rank
// 0 does next. For rank_group.cc.
//
// A key-value store, LibTorch's TCPStore, hosted by rank 0 or by torchrun. Every call returns
// kUnavailable once the host has ended, and once a rank has reported an error, the first such
// error.

#ifndef RCNN_TRAINING_DISTRIBUTED_RANK_STORE_H_
#define RCNN_TRAINING_DISTRIBUTED_RANK_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <torch/csrc/distributed/c10d/Store.hpp>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "rcnn/training/distributed/rank_environment.h"

namespace rcnn::training {

class RankStore {
 public:
  // Connects to the store; rank 0 also starts it. Errors: those of RankGroup::Join.
  static absl::StatusOr<std::unique_ptr<RankStore>> Connect(const RankEnvironment& ranks,
                                                            absl::Duration timeout);

  // Tells the others that this rank leaves. The host waits for the ranks that have joined, a few
  // seconds at most.
  ~RankStore();

  RankStore(const RankStore&) = delete;
  RankStore& operator=(const RankStore&) = delete;

  int rank() const { return ranks_.rank; }
  int size() const { return ranks_.world_size; }
  const c10::intrusive_ptr<c10d::Store>& store() const { return store_; }

  // Waits until all ranks have called it: until `timeout` after the call of Connect, but at least a
  // second. Errors: those of RankGroup::Join.
  absl::Status Meet(absl::Duration timeout);

  // Rank 0 writes messages; the others read them in the same order.
  absl::Status Announce(absl::string_view message);
  absl::StatusOr<std::string> Await();

  // The failure that a rank has reported, or OK.
  absl::Status ReportedFailure();

  // Reports the error to all ranks, unless a rank has already reported one, and returns it.
  absl::Status Report(absl::Status error);

  // For a collective that has failed with LibTorch's `error`: returns the cause, the same on all
  // ranks. Takes as long as `roll_call` if a rank does not answer.
  absl::Status Explain(absl::string_view what, const absl::Status& error, absl::Duration roll_call);

 private:
  RankStore(const RankEnvironment& ranks, c10::intrusive_ptr<c10d::Store> store, absl::Time begun)
      : ranks_(ranks), store_(std::move(store)), begun_(begun) {}

  // Calls the store. An exception means that its host has ended.
  absl::Status Ask(const std::function<void()>& question);
  absl::StatusOr<bool> Has(const std::string& key);
  // Whether the host answers within the limit. If it does not, it is asked nothing more.
  bool HostAnswers(absl::Duration limit);
  // Waits until `is_true` returns true: false at the deadline, or the error of a rank.
  absl::StatusOr<bool> WaitUntil(absl::Time deadline,
                                 const std::function<absl::StatusOr<bool>()>& is_true);
  // Ranks without the key <prefix><rank>.
  absl::StatusOr<std::vector<int>> RanksWithout(const std::string& prefix);
  absl::StatusOr<bool> AllHave(const std::string& prefix);
  absl::Status Arrive();
  // Checks that rank 0 has the same world size and versions.
  absl::Status CheckMember();

  const RankEnvironment ranks_;
  const c10::intrusive_ptr<c10d::Store> store_;
  const absl::Time begun_;  // by MonotonicNow, before connecting
  int64_t announcements_ = 0;
  bool is_broken_ = false;  // an error came from another rank, or was reported
  bool is_silent_ = false;  // the host does not answer
  int64_t lost_ = 0;        // ranks that have not answered the roll call
};

// "rank 2", "ranks 1 and 3".
std::string RankNames(const std::vector<int>& ranks);

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_DISTRIBUTED_RANK_STORE_H_

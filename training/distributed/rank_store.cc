// What the store holds while a group exists:
//
//   arrivals/<rank>      number of processes that came with this rank; more than 1 is an error
//   member/<rank>        world size, versions, and who it is, as MessagePack
//   ready/<rank>         this rank has found that rank 0's entry agrees with its own
//   announcement/<n>     the n-th message of rank 0
//   failures             number of failures reported; the first of them writes
//   failure              code and message of the first failure, and how many ranks did not answer
//                        the roll call, as MessagePack
//   answered/<rank>      this rank takes part in the roll call after a failed collective
//   left                 number of ranks that have left
//
// Rank 0 hosts the store, or torchrun does. Every wait is a loop over short questions to it ("is
// this key set?"), so that each also notices `failure`, and the end of the store.
//
// A collective fails within moments when a rank dies, as its connections close, and after the time
// limit when one hangs. A rank on which it has failed closes its own connections, so that it also
// fails on the ranks that were waiting for this one. Gloo does not say which rank was the first. So
// each rank first waits kReportWait for a reported failure to appear, then writes answered/<rank>
// and waits for the others (RankGroupOptions::roll_call): ranks that do not answer have ended or
// hang. If the host hangs, no question is answered; this is checked first.

#include "rcnn/training/distributed/rank_store.h"

#include <torch/version.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "rcnn/base/exception_status.h"
#include "rcnn/base/host_name.h"
#include "rcnn/base/monotonic_time.h"
#include "rcnn/base/program.h"
#include "rcnn/base/shutdown.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/training/distributed/await_listener.h"
#include "rcnn/training/distributed/lost_connection.h"
#include "rcnn/training/distributed/within_time.h"

namespace rcnn::training {
namespace {

using Json = nlohmann::json;
using StorePtr = c10::intrusive_ptr<c10d::Store>;

constexpr char kFailure[] = "failure";
constexpr char kArrivals[] = "arrivals/";
constexpr char kReady[] = "ready/";
constexpr char kAnswered[] = "answered/";
constexpr absl::Duration kPause = absl::Milliseconds(20);
constexpr absl::Duration kReportWait = absl::Seconds(1);
constexpr absl::Duration kLeaveWait = absl::Seconds(5);
constexpr absl::Duration kLeastMeetWait = absl::Seconds(1);
constexpr absl::Duration kStopWait = absl::Seconds(20);

std::vector<uint8_t> Packed(const Json& value) { return Json::to_msgpack(value); }

Json Unpacked(const std::vector<uint8_t>& bytes) { return Json::from_msgpack(bytes); }

// Who listens: "rank 0", "torchrun".
std::string Listener(const RankEnvironment& ranks) {
  return ranks.launcher_listens ? ranks.launcher : "rank 0";
}

// "node7:29500", "[::1]:29500".
std::string Endpoint(const RankEnvironment& ranks) {
  const bool bare = ranks.master_address.find(':') == std::string::npos;
  return absl::StrCat(bare ? "" : "[", ranks.master_address, bare ? ":" : "]:", ranks.master_port);
}

// After which the cause follows.
std::string HostIsLost(const RankEnvironment& ranks) {
  return absl::StrCat(Listener(ranks), " at ", Endpoint(ranks), " has ended or cannot be reached");
}

absl::Status CannotListen(const RankEnvironment& ranks, absl::string_view why) {
  return absl::FailedPreconditionError(
      absl::StrCat("rank 0 cannot listen at port ", ranks.master_port, ": ", why,
                   "; if another program has the port, set MASTER_PORT to another number"));
}

absl::Status CannotReach(const RankEnvironment& ranks, absl::Duration timeout,
                         absl::string_view why) {
  return absl::DeadlineExceededError(
      absl::StrCat("rank ", ranks.rank, " cannot reach ", Listener(ranks), " at ", Endpoint(ranks),
                   " within ", absl::FormatDuration(timeout), ": ", why));
}

absl::Status Stopped() { return absl::CancelledError("stopped while the ranks were joining"); }

// The store of rank 0, after a first answer from it: a program that is not a store but has the
// port may accept the connection and never answer.
absl::StatusOr<StorePtr> ConnectStore(const RankEnvironment& ranks, absl::Duration timeout) {
  ExplainLostConnections(HostIsLost(ranks));
  // Connecting has the same limit, and its own error is the better one.
  absl::StatusOr<StorePtr> store = WithinTime<StorePtr>(
      timeout + absl::Seconds(1),
      [ranks, timeout]() -> absl::StatusOr<StorePtr> {
        c10d::TCPStoreOptions options;
        options.port = static_cast<uint16_t>(ranks.master_port);
        options.isServer = ranks.rank == 0 && !ranks.launcher_listens;
        options.waitWorkers = false;
        options.timeout = absl::ToChronoMilliseconds(timeout);
        if (!options.isServer) {
          RCNN_RETURN_IF_ERROR(AwaitListener(ranks.master_address, ranks.master_port, timeout));
        }
        // A launcher that listens has keys of its own, and those of earlier attempts.
        StorePtr connected = c10::make_intrusive<c10d::PrefixStore>(
            absl::StrCat("rcnn/", ranks.restarts),
            c10::make_intrusive<c10d::TCPStore>(ranks.master_address, options));
        connected->check({kFailure});
        return connected;
      },
      ShutdownRequested);
  if (store.ok()) return store;
  if (absl::IsCancelled(store.status())) return Stopped();
  const absl::string_view why = store.status().message();
  // LibTorch's word for the one that listens.
  if (absl::StrContains(why, "server socket")) return CannotListen(ranks, why);
  return CannotReach(ranks, timeout, why);
}

absl::StatusOr<bool> UnlessStopped(absl::StatusOr<bool> is_true) {
  if (ShutdownRequested()) return Stopped();
  return is_true;
}

// A rank's description of itself.
Json DescribeMember(const RankEnvironment& ranks) {
  return {{"world_size", ranks.world_size},
          {"rcnn", Version()},
          {"LibTorch", TORCH_VERSION},
          {"process", absl::StrCat("process ", getpid(), " on ", HostName())}};
}

}  // namespace

std::string RankNames(const std::vector<int>& ranks) {
  if (ranks.size() == 1) return absl::StrCat("rank ", ranks.front());
  std::vector<int> most = ranks;
  std::string last;
  if (!most.empty()) {
    last = absl::StrCat(" and ", most.back());
    most.pop_back();
  }
  return absl::StrCat("ranks ", absl::StrJoin(most, ", "), last);
}

absl::StatusOr<std::unique_ptr<RankStore>> RankStore::Connect(const RankEnvironment& ranks,
                                                              absl::Duration timeout) {
  const absl::Time begun = MonotonicNow();
  RCNN_ASSIGN_OR_RETURN(StorePtr store, ConnectStore(ranks, timeout));
  return std::unique_ptr<RankStore>(new RankStore(ranks, std::move(store), begun));
}

// Rank 0 keeps the store until the others have read its contents: those that have joined, and have
// not ended without reporting it.
RankStore::~RankStore() {
  const auto all_left = [&]() -> absl::StatusOr<bool> {
    int64_t left = 0, present = -lost_;
    RCNN_RETURN_IF_ERROR(Ask([&] {
      left = store_->add("left", 0);
      for (int rank = 0; rank < size(); ++rank) {
        present += store_->add(absl::StrCat(kArrivals, rank), 0);
      }
    }));
    return left >= present;
  };
  if (is_silent_ || !Ask([&] { store_->add("left", 1); }).ok() || rank() != 0 ||
      ranks_.launcher_listens)
    return;
  const absl::Time deadline = MonotonicNow() + kLeaveWait;
  while (MonotonicNow() < deadline) {
    const absl::StatusOr<bool> done = all_left();
    if (!done.ok() || *done) return;
    absl::SleepFor(kPause);
  }
}

absl::Status RankStore::Ask(const std::function<void()>& question) {
  const absl::Status status = CatchExceptions([&] {
    question();
    return absl::OkStatus();
  });
  if (status.ok()) return status;
  is_broken_ = true;
  return absl::UnavailableError(absl::StrCat(HostIsLost(ranks_), ": ", status.message()));
}

// The question keeps the store, which must outlive it.
bool RankStore::HostAnswers(absl::Duration limit) {
  const absl::StatusOr<bool> answer = WithinTime<bool>(
      limit, [store = store_] { return absl::StatusOr<bool>(store->check({kFailure})); });
  is_silent_ = absl::IsDeadlineExceeded(answer.status());
  return !is_silent_;
}

absl::StatusOr<bool> RankStore::Has(const std::string& key) {
  bool has = false;
  RCNN_RETURN_IF_ERROR(Ask([&] { has = store_->check({key}); }));
  return has;
}

absl::Status RankStore::ReportedFailure() {
  RCNN_ASSIGN_OR_RETURN(const bool failed, Has(kFailure));
  if (!failed) return absl::OkStatus();
  Json failure;
  RCNN_RETURN_IF_ERROR(Ask([&] { failure = Unpacked(store_->get(kFailure)); }));
  is_broken_ = true;
  lost_ = failure.at("lost").get<int64_t>();
  return {static_cast<absl::StatusCode>(failure.at("code").get<int>()),
          failure.at("message").get<std::string>()};
}

absl::StatusOr<bool> RankStore::WaitUntil(absl::Time deadline,
                                          const std::function<absl::StatusOr<bool>()>& is_true) {
  while (true) {
    RCNN_ASSIGN_OR_RETURN(const bool now, is_true());
    if (now) return true;
    RCNN_RETURN_IF_ERROR(ReportedFailure());
    if (MonotonicNow() >= deadline) return false;
    absl::SleepFor(kPause);
  }
}

absl::StatusOr<std::vector<int>> RankStore::RanksWithout(const std::string& prefix) {
  std::vector<int> without;
  for (int rank = 0; rank < size(); ++rank) {
    RCNN_ASSIGN_OR_RETURN(const bool has, Has(absl::StrCat(prefix, rank)));
    if (!has) without.push_back(rank);
  }
  return without;
}

absl::StatusOr<bool> RankStore::AllHave(const std::string& prefix) {
  RCNN_ASSIGN_OR_RETURN(const std::vector<int> without, RanksWithout(prefix));
  return without.empty();
}

absl::Status RankStore::Arrive() {
  const Json self = DescribeMember(ranks_);
  const std::string member = absl::StrCat("member/", rank());
  int64_t arrivals = 0;
  RCNN_RETURN_IF_ERROR(Ask([&] { arrivals = store_->add(absl::StrCat(kArrivals, rank()), 1); }));
  if (arrivals == 1) return Ask([&] { store_->set(member, Packed(self)); });
  std::string first = "one";
  const absl::StatusOr<bool> there =
      WaitUntil(MonotonicNow() + kReportWait, [&] { return Has(member); });
  if (there.ok() && *there) {
    RCNN_RETURN_IF_ERROR(
        Ask([&] { first = Unpacked(store_->get(member)).at("process").get<std::string>(); }));
  }
  return Report(
      absl::FailedPreconditionError(absl::StrCat("two processes are rank ", rank(), ": ", first,
                                                 ", and ", self.at("process").get<std::string>())));
}

absl::Status RankStore::CheckMember() {
  const Json self = DescribeMember(ranks_);
  Json first;
  RCNN_RETURN_IF_ERROR(Ask([&] { first = Unpacked(store_->get("member/0")); }));
  for (const char* name : {"world_size", "rcnn", "LibTorch"}) {
    if (first.at(name) == self.at(name)) continue;
    const bool is_size = absl::string_view(name) == "world_size";
    const auto text = [&](const Json& member) {
      return is_size ? absl::StrCat(member.at(name).get<int>(), " ranks")
                     : absl::StrCat(name, " ", member.at(name).get<std::string>());
    };
    return Report(absl::FailedPreconditionError(
        absl::StrCat("the ranks do not fit together: rank 0 has ", text(first), ", rank ", rank(),
                     " has ", text(self))));
  }
  return absl::OkStatus();
}

absl::Status RankStore::Meet(absl::Duration timeout) {
  const absl::Time deadline = std::max(begun_ + timeout, MonotonicNow() + kLeastMeetWait);
  RCNN_RETURN_IF_ERROR(Arrive());
  // Rank 0 first: if its group has another size, some ranks will never join.
  RCNN_ASSIGN_OR_RETURN(bool are_there,
                        WaitUntil(deadline, [&] { return UnlessStopped(Has("member/0")); }));
  if (are_there) {
    RCNN_RETURN_IF_ERROR(CheckMember());
    RCNN_RETURN_IF_ERROR(
        Ask([&] { store_->set(absl::StrCat(kReady, rank()), std::vector<uint8_t>{1}); }));
    RCNN_ASSIGN_OR_RETURN(are_there,
                          WaitUntil(deadline, [&] { return UnlessStopped(AllHave(kReady)); }));
  }
  if (are_there) return absl::OkStatus();
  RCNN_ASSIGN_OR_RETURN(const std::vector<int> missing, RanksWithout(kReady));
  return absl::DeadlineExceededError(
      absl::StrCat(RankNames(missing), " of ", size(), " ", missing.size() == 1 ? "has" : "have",
                   " not come to ", Endpoint(ranks_), " within ", absl::FormatDuration(timeout),
                   "; start all ranks, or give them more time with --join_timeout"));
}

absl::Status RankStore::Explain(absl::string_view what, const absl::Status& error,
                                absl::Duration roll_call) {
  if (!HostAnswers(roll_call)) {
    is_broken_ = true;
    return absl::UnavailableError(absl::StrCat(Listener(ranks_), " at ", Endpoint(ranks_),
                                               " does not answer (", what, ": ", error.message(),
                                               ")"));
  }
  const auto never = [] { return absl::StatusOr<bool>(false); };
  RCNN_RETURN_IF_ERROR(WaitUntil(MonotonicNow() + kReportWait, never).status());
  RCNN_RETURN_IF_ERROR(
      Ask([&] { store_->set(absl::StrCat(kAnswered, rank()), std::vector<uint8_t>{1}); }));
  RCNN_RETURN_IF_ERROR(
      WaitUntil(MonotonicNow() + roll_call, [&] { return AllHave(kAnswered); }).status());
  RCNN_ASSIGN_OR_RETURN(const std::vector<int> silent, RanksWithout(kAnswered));
  const std::string who =
      silent.empty() ? "the connection between the ranks has failed"
                     : absl::StrCat(RankNames(silent), silent.size() == 1 ? " has" : " have",
                                    " ended without a message, or ",
                                    silent.size() == 1 ? "does" : "do", " not answer");
  lost_ = static_cast<int64_t>(silent.size());
  const absl::Status explained =
      Report(absl::UnavailableError(absl::StrCat(who, " (", what, ": ", error.message(), ")")));
  // All ranks return what the first of them has found.
  RCNN_RETURN_IF_ERROR(ReportedFailure());
  return explained;
}

absl::Status RankStore::Announce(absl::string_view message) {
  const std::string key = absl::StrCat("announcement/", announcements_++);
  RCNN_RETURN_IF_ERROR(ReportedFailure());
  return Ask([&] { store_->set(key, std::vector<uint8_t>(message.begin(), message.end())); });
}

// A rank that was asked to stop learns it from rank 0, which was asked too, unless rank 0 has ended
// while the store has not.
absl::StatusOr<std::string> RankStore::Await() {
  const std::string key = absl::StrCat("announcement/", announcements_++);
  absl::Time stop = absl::InfiniteFuture();
  while (true) {
    RCNN_ASSIGN_OR_RETURN(const bool is_there,
                          WaitUntil(MonotonicNow() + absl::Seconds(1), [&] { return Has(key); }));
    if (is_there) break;
    if (ShutdownRequested()) stop = std::min(stop, MonotonicNow() + kStopWait);
    if (MonotonicNow() >= stop) return absl::CancelledError("stopped while rank 0 was at work");
  }
  std::vector<uint8_t> bytes;
  RCNN_RETURN_IF_ERROR(Ask([&] { bytes = store_->get(key); }));
  return std::string(bytes.begin(), bytes.end());
}

absl::Status RankStore::Report(absl::Status error) {
  if (is_broken_) return error;
  is_broken_ = true;
  const Json failure = {{"code", static_cast<int>(error.code())},
                        {"message", std::string(error.message())},
                        {"lost", lost_}};
  // If rank 0 has ended, there is nobody to tell. `set` does not wait until the store has the
  // value; the answer to the `check` after it shows that it has.
  Ask([&] {
    if (store_->add("failures", 1) != 1) return;
    store_->set(kFailure, Packed(failure));
    store_->check({kFailure});
  }).IgnoreError();
  return error;
}

}  // namespace rcnn::training

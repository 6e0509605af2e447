// The processes that run one experiment together: how they find each other, what they exchange,
// and how all of them stop with the first error.
//
// Ranks meet in LibTorch's TCPStore, which rank 0 or torchrun hosts, and exchange data by Gloo,
// both of LibTorch's c10d; sums and messages of ranks of one machine go through memory that they
// share (local_exchange.h), and sums of values on GPUs through NCCL (device_library.h). There are
// two ways to wait:
//
//   for each other     collectives: all ranks call the same functions in the same order; one that
//                      takes longer than the time limit is an error
//   for rank 0 alone   Announce and Await: any time, while rank 0 lives
//
// An error of one rank becomes the error of all. A rank with an error of its own calls
// ReportFailure; every other rank's next call here returns that error, with the rank's number. A
// rank that dies or hangs cannot report: the others then find out in a roll call which rank it
// was. After an error only ReportFailure and the destructor may be called.
//
// Not thread-safe. Nothing here is encrypted: for machines that trust each other.
//
// Source: https://pytorch.org/docs/stable/distributed.html.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const auto ranks, ReadRankEnvironment(EnvironmentVariables()));
//   RCNN_ASSIGN_OR_RETURN(const auto group, RankGroup::Join(ranks, {}));
//   RCNN_RETURN_IF_ERROR(group->CheckSame({{"data.train", dataset->fingerprint()}}));
//   RCNN_RETURN_IF_ERROR(group->Sum(gradients));

#ifndef RCNN_TRAINING_DISTRIBUTED_RANK_GROUP_H_
#define RCNN_TRAINING_DISTRIBUTED_RANK_GROUP_H_

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "rcnn/training/distributed/rank_environment.h"
#include "rcnn/training/distributed/rank_facts.h"

namespace rcnn::training {

struct RankGroupOptions {
  // All ranks have to join within this time of one's call of Join. With the start of the program,
  // ranks that do not find each other say so within 30 s.
  absl::Duration join_timeout = absl::Seconds(25);
  // The longest that a rank waits for the others in a collective.
  absl::Duration collective_timeout = absl::Minutes(10);
  // After a failed collective, how long a rank has to say that it lives; at most
  // collective_timeout.
  absl::Duration roll_call = absl::Seconds(10);
  // Share memory if all ranks are on one machine. The same on all ranks.
  bool shared_memory = true;
};

class RankGroup {
 public:
  // Returns when all ranks have joined; `ranks.world_size` >= 2. Rank 0 listens at
  // ranks.master_address and port. Data goes through the network interface that leads there, or
  // that GLOO_SOCKET_IFNAME names.
  //
  // kFailedPrecondition: rank 0 cannot listen there (a port in use); two processes have one rank;
  // two ranks have different world sizes, or versions of rcnn or LibTorch. kDeadlineExceeded:
  // rank 0 cannot be reached; ranks are missing, by number. On all ranks that have joined.
  static absl::StatusOr<std::unique_ptr<RankGroup>> Join(const RankEnvironment& ranks,
                                                         const RankGroupOptions& options);

  // Leaves. Rank 0 waits for the others to leave, for a few seconds at most.
  ~RankGroup();

  RankGroup(const RankGroup&) = delete;
  RankGroup& operator=(const RankGroup&) = delete;

  int rank() const;
  int size() const;
  // The rank among those of this machine.
  int local_rank() const;

  // Collectives. kUnavailable, naming the ranks, if others have died or do not answer within the
  // time limit; the error that another rank has reported.

  // kFailedPrecondition, naming both ranks and both values, if a rank's facts differ from rank
  // 0's. The same error on all ranks.
  absl::Status CheckSame(const Facts& facts);

  // Replaces `values`, float32 and contiguous, of N values together, with the sums over all ranks,
  // which are added in the order of the ranks: ((rank 0 + rank 1) + rank 2) + ... All ranks get the
  // same bits. Over a network a rank sends and receives 2 (R - 1) / R N values. On the device of
  // ConnectDevice the order is that of its library.
  absl::Status Sum(const std::vector<at::Tensor>& values);
  absl::Status Sum(at::Tensor values);

  // Lets this rank add up values that are on `device`, its own GPU. Once, before the first of them.
  // kUnimplemented if this program has no library for that. kInvalidArgument, naming both, if
  // another rank has the same GPU.
  absl::Status ConnectDevice(const c10::Device& device);

  // Whether the sums of this tensor are made on its device, so that BeginSum can be used for it.
  bool IsOnDevice(const at::Tensor& values) const;

  // Begins a Sum of one tensor on the device: it runs after the work that the device already has,
  // and beside work that it gets later. Nothing else may use the values until FinishSums.
  absl::Status BeginSum(at::Tensor values);

  // Waits until all sums that were begun have been made.
  absl::Status FinishSums();

  // Copies rank 0's `values`, of any type, shape and device, to the others'. Contiguous or not.
  absl::Status Broadcast(at::Tensor values);

  // Returns rank 0's `bytes`; those of other ranks are ignored.
  absl::StatusOr<std::string> Broadcast(absl::string_view bytes);

  // Returns the bytes of all ranks, in the order of the ranks.
  absl::StatusOr<std::vector<std::string>> AllGather(absl::string_view bytes);

  // The same for rank 0; others get an empty list.
  absl::StatusOr<std::vector<std::string>> Gather(absl::string_view bytes);

  // Returns when all ranks have called it.
  absl::Status Barrier();

  // Rank 0 tells the others something; each gets all announcements in order. Short messages.
  absl::Status Announce(absl::string_view message);

  // Waits for the next announcement, however long that takes. Not for rank 0.
  absl::StatusOr<std::string> Await();

  // Tells the other ranks why this one stops, unless another rank has told before or the error
  // came from there.
  void ReportFailure(const absl::Status& error);

 private:
  class State;
  explicit RankGroup(std::unique_ptr<State> state);

  // Lets the ranks share memory if all of them can.
  absl::Status ShareMemory();
  // That no two ranks have one device.
  absl::Status CheckOwnDevices(const c10::Device& device);
  // Sum of one tensor through the network.
  absl::Status SumOverNetwork(const at::Tensor& values);

  std::unique_ptr<State> state_;
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_DISTRIBUTED_RANK_GROUP_H_

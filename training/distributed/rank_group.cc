#include "rcnn/training/distributed/rank_group.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "rcnn/base/exception_status.h"
#include "rcnn/base/host_name.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/training/distributed/collective_backend.h"
#include "rcnn/training/distributed/device_library.h"
#include "rcnn/training/distributed/device_sums.h"
#include "rcnn/training/distributed/gloo_backend.h"
#include "rcnn/training/distributed/local_exchange.h"
#include "rcnn/training/distributed/own_address.h"
#include "rcnn/training/distributed/rank_facts.h"
#include "rcnn/training/distributed/rank_store.h"
#include "rcnn/training/distributed/within_time.h"

namespace rcnn::training {
namespace {

// Bytes of the first message to all. Mostly no second one is needed.
constexpr int64_t kFirstBytes = 4096;

// How much later than this group the devices' library abandons a sum, because the group's error is
// the better one.
constexpr absl::Duration kLibraryMargin = absl::Minutes(1);

using BackendPtr = CollectiveBackendPtr;

at::Tensor AsTensor(absl::string_view bytes) {
  at::Tensor tensor = at::empty({static_cast<int64_t>(bytes.size())}, at::kByte);
  if (!bytes.empty()) std::memcpy(tensor.data_ptr(), bytes.data(), bytes.size());
  return tensor;
}

// The bytes, padded with zeros to `size`, because all ranks have to send the same number.
at::Tensor Padded(absl::string_view bytes, int64_t size) {
  at::Tensor padded = at::zeros({size}, at::kByte);
  padded.narrow(0, 0, static_cast<int64_t>(bytes.size())).copy_(AsTensor(bytes));
  return padded;
}

std::string AsBytes(const at::Tensor& tensor, int64_t size) {
  return std::string(static_cast<const char*>(tensor.data_ptr()), static_cast<size_t>(size));
}

}  // namespace

class RankGroup::State {
 public:
  State(const RankEnvironment& ranks, const RankGroupOptions& options,
        std::unique_ptr<RankStore> store)
      : ranks_(ranks), options_(options), store_(std::move(store)) {
    options_.roll_call = std::min(options_.roll_call, options_.collective_timeout);
  }

  // Connects every rank with every other one.
  absl::Status Connect();

  // Runs a collective, which `start` begins, to its end.
  absl::Status Collect(absl::string_view what, const std::function<CollectiveWorkPtr()>& start);

  // Makes the device ready for sums. The error is this rank's own.
  absl::Status ConnectDevice(const DeviceLibrary& library, const c10::Device& device);
  // The library connects the devices of all ranks only at this first sum.
  absl::Status MakeFirstSum();

  // Begins a sum on the device, or waits for all.
  absl::Status BeginSum(const at::Tensor& values);
  absl::Status FinishSums();

  // Returns the error of a collective, the same on all ranks. A rank may be waiting for this rank
  // rather than for the one that has failed: closing the connections wakes it, so that it takes
  // part in the roll call.
  absl::Status Explain(absl::string_view what, const absl::Status& status) {
    if (status.ok()) return status;
    if (device_ != nullptr) device_->GiveUp();
    device_.reset();
    local_.reset();
    backend_.reset();
    return store_->Explain(what, status, options_.roll_call);
  }

  const RankEnvironment& ranks() const { return ranks_; }
  const RankGroupOptions& options() const { return options_; }
  // Null: the ranks share no memory.
  LocalExchange* local() { return local_.get(); }
  void set_local(std::unique_ptr<LocalExchange> local) { local_ = std::move(local); }

  // Null: no device is connected.
  const DeviceSums* device() const { return device_.get(); }

  CollectiveBackend& backend() { return *backend_; }
  RankStore& store() { return *store_; }

 private:
  // The reason why sums on devices will not end, as far as it is known on the host.
  absl::Status CheckOthers();
  absl::Status NotConnected() const {
    return absl::FailedPreconditionError("no device of this rank is connected with the others'");
  }

  const RankEnvironment ranks_;
  RankGroupOptions options_;
  const std::unique_ptr<RankStore> store_;
  BackendPtr backend_;  // is closed before the store; null after a failed collective
  std::unique_ptr<LocalExchange> local_;
  std::shared_ptr<DeviceSums> device_;  // shared with the thread of a first sum that does not end
};

absl::Status RankGroup::State::Connect() {
  RCNN_ASSIGN_OR_RETURN(const std::string address,
                        FindOwnAddress(ranks_.master_address, ranks_.master_port));
  const char* interface = std::getenv("GLOO_SOCKET_IFNAME");
  const std::string name = interface == nullptr ? "" : interface;
  absl::StatusOr<BackendPtr> backend = WithinTime<BackendPtr>(
      options_.join_timeout, [store = store_->store(), ranks = ranks_,
                              limit = options_.collective_timeout, address, name] {
        return absl::StatusOr<BackendPtr>(ConnectGloo(store, ranks.rank, ranks.world_size, address,
                                                      name, absl::ToChronoMilliseconds(limit)));
      });
  if (!backend.ok()) {
    return store_->Explain(absl::StrCat("connecting from ", name.empty() ? address : name),
                           backend.status(), options_.roll_call);
  }
  backend_ = *std::move(backend);
  return absl::OkStatus();
}

absl::Status RankGroup::State::Collect(absl::string_view what,
                                       const std::function<CollectiveWorkPtr()>& start) {
  if (!backend_) return absl::FailedPreconditionError("the group of ranks has failed before");
  return Explain(what, CatchExceptions([&] {
                   start()->wait();
                   return absl::OkStatus();
                 }));
}

absl::Status RankGroup::State::ConnectDevice(const DeviceLibrary& library,
                                             const c10::Device& device) {
  const absl::Duration limit = options_.collective_timeout + kLibraryMargin;
  return CatchExceptions([&] {
    device_ = std::make_shared<DeviceSums>(
        library,
        library.connect(store_->store(), ranks_.rank, ranks_.world_size, device,
                        absl::ToChronoMilliseconds(limit)),
        device);
    return absl::OkStatus();
  });
}

absl::Status RankGroup::State::MakeFirstSum() {
  const absl::StatusOr<bool> made = WithinTime<bool>(
      options_.collective_timeout,
      [sums = device_, limit = options_.collective_timeout]() -> absl::StatusOr<bool> {
        sums->Begin(at::ones({1}, at::TensorOptions(sums->device()).dtype(at::kFloat)));
        RCNN_RETURN_IF_ERROR(sums->Finish(limit, [] { return absl::OkStatus(); }));
        return true;
      });
  return Explain(
      absl::StrCat("connecting ", device_->device().str(), " by ", device_->library_name()),
      made.status());
}

absl::Status RankGroup::State::CheckOthers() {
  RCNN_RETURN_IF_ERROR(store_->ReportedFailure());
  return local_ == nullptr ? absl::OkStatus() : local_->CheckPresence();
}

absl::Status RankGroup::State::BeginSum(const at::Tensor& values) {
  if (device_ == nullptr) return NotConnected();
  return Explain("summing gradients", CatchExceptions([&] {
                   device_->Begin(values);
                   return absl::OkStatus();
                 }));
}

absl::Status RankGroup::State::FinishSums() {
  if (device_ == nullptr) return NotConnected();
  return Explain(
      absl::StrCat("summing gradients by ", device_->library_name()), CatchExceptions([&] {
        return device_->Finish(options_.collective_timeout, [this] { return CheckOthers(); });
      }));
}

RankGroup::RankGroup(std::unique_ptr<State> state) : state_(std::move(state)) {}

RankGroup::~RankGroup() = default;

absl::StatusOr<std::unique_ptr<RankGroup>> RankGroup::Join(const RankEnvironment& ranks,
                                                           const RankGroupOptions& options) {
  if (ranks.world_size < 2 || ranks.rank < 0 || ranks.rank >= ranks.world_size) {
    return absl::InvalidArgumentError(
        absl::StrCat("no group has a rank ", ranks.rank, " of ", ranks.world_size));
  }
  RCNN_ASSIGN_OR_RETURN(std::unique_ptr<RankStore> store,
                        RankStore::Connect(ranks, options.join_timeout));
  RCNN_RETURN_IF_ERROR(store->Meet(options.join_timeout));
  auto state = std::make_unique<State>(ranks, options, std::move(store));
  RCNN_RETURN_IF_ERROR(state->Connect());
  std::unique_ptr<RankGroup> group(new RankGroup(std::move(state)));
  if (options.shared_memory) RCNN_RETURN_IF_ERROR(group->ShareMemory());
  return group;
}

absl::Status RankGroup::ShareMemory() {
  absl::StatusOr<std::unique_ptr<LocalExchange>> local;
  if (rank() == 0) local = LocalExchange::Create(size());
  RCNN_ASSIGN_OR_RETURN(const std::string address,
                        Broadcast(local.ok() ? absl::string_view((*local)->address()) : ""));
  if (rank() != 0) local = LocalExchange::Open(address, rank(), size());
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> errors,
                        AllGather(local.ok() ? "" : local.status().message()));
  for (const std::string& error : errors) {
    if (!error.empty()) return absl::OkStatus();
  }
  state_->set_local(*std::move(local));
  return absl::OkStatus();
}

int RankGroup::rank() const { return state_->store().rank(); }

int RankGroup::size() const { return state_->store().size(); }

int RankGroup::local_rank() const { return state_->ranks().local_rank; }

absl::Status RankGroup::CheckSame(const Facts& facts) {
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> all, AllGather(PackFacts(facts)));
  return CompareFacts(all);
}

absl::Status RankGroup::CheckOwnDevices(const c10::Device& device) {
  const DeviceLibrary& library = *FindDeviceLibrary();
  RCNN_ASSIGN_OR_RETURN(const std::string mine,
                        CatchExceptions([&]() -> absl::StatusOr<std::string> {
                          return absl::StrCat(HostName(), ", ", library.identity(device));
                        }));
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> all, AllGather(mine));
  std::map<std::string, int> owners;
  for (int rank = 0; rank < size(); ++rank) {
    const auto [owner, is_new] = owners.emplace(all[static_cast<size_t>(rank)], rank);
    if (is_new) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("ranks ", owner->second, " and ", rank, " have the same GPU (", owner->first,
                     "); start at most as many processes on a machine as it has GPUs"));
  }
  return absl::OkStatus();
}

absl::Status RankGroup::ConnectDevice(const c10::Device& device) {
  const DeviceLibrary* const library = FindDeviceLibrary();
  if (library == nullptr) {
    return absl::UnimplementedError(absl::StrCat(
        size(),
        " processes train together on GPUs by NCCL, which this program was built without; "
        "build it with --config=cuda where nccl.h is installed (docs/distributed.md), or run one "
        "process on ",
        device.str()));
  }
  RCNN_RETURN_IF_ERROR(CheckOwnDevices(device));
  const absl::Status mine = state_->ConnectDevice(*library, device);
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> errors, AllGather(mine.message()));
  for (int rank = 0; rank < size(); ++rank) {
    const std::string& error = errors[static_cast<size_t>(rank)];
    if (error.empty()) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("rank ", rank, ": connecting by ", library->name, ": ", error));
  }
  return state_->MakeFirstSum();
}

bool RankGroup::IsOnDevice(const at::Tensor& values) const {
  return state_->device() != nullptr && values.device() == state_->device()->device();
}

absl::Status RankGroup::BeginSum(at::Tensor values) { return state_->BeginSum(values); }

absl::Status RankGroup::FinishSums() { return state_->FinishSums(); }

absl::Status RankGroup::Sum(at::Tensor values) { return Sum(std::vector<at::Tensor>{values}); }

absl::Status RankGroup::Sum(const std::vector<at::Tensor>& values) {
  if (values.empty()) return absl::OkStatus();
  if (IsOnDevice(values.front())) {
    for (const at::Tensor& array : values) RCNN_RETURN_IF_ERROR(BeginSum(array));
    return FinishSums();
  }
  if (LocalExchange* const local = state_->local()) {
    std::vector<absl::Span<float>> arrays;
    for (const at::Tensor& array : values) {
      arrays.emplace_back(array.data_ptr<float>(), static_cast<size_t>(array.numel()));
    }
    return state_->Explain("summing gradients",
                           local->Sum(arrays, state_->options().collective_timeout));
  }
  if (values.size() == 1) return SumOverNetwork(values.front());
  std::vector<at::Tensor> rows;
  for (const at::Tensor& array : values) rows.push_back(array.view({-1}));
  const at::Tensor all = at::cat(rows);
  RCNN_RETURN_IF_ERROR(SumOverNetwork(all));
  int64_t begin = 0;
  for (const at::Tensor& row : rows) {
    row.copy_(all.narrow(0, begin, row.numel()));
    begin += row.numel();
  }
  return absl::OkStatus();
}

// Two ranks send each other all values, in one round. More send each other the parts that they add
// up, and then the sums.
absl::Status RankGroup::SumOverNetwork(const at::Tensor& values) {
  if (values.numel() == 0) return absl::OkStatus();
  const int64_t ranks = size(), count = values.numel(), chunk = (count + ranks - 1) / ranks;
  if (ranks == 2) {
    std::vector<std::vector<at::Tensor>> both = {{at::empty_like(values), at::empty_like(values)}};
    std::vector<at::Tensor> own = {values};
    RCNN_RETURN_IF_ERROR(state_->Collect("summing gradients",
                                         [&] { return state_->backend().allgather(both, own); }));
    values.copy_(both.front()[0].add_(both.front()[1]));
    return absl::OkStatus();
  }
  const bool is_whole = count == chunk * ranks;
  at::Tensor sent = is_whole ? values : at::zeros({chunk * ranks}, values.options());
  if (!is_whole) sent.narrow(0, 0, count).copy_(values.view({-1}));
  at::Tensor rows = sent.view({ranks, chunk});
  // Row r of `received` is rank r's part of what this rank adds up.
  at::Tensor received = at::empty({ranks, chunk}, values.options());
  std::vector<int64_t> equal_parts;
  RCNN_RETURN_IF_ERROR(state_->Collect("summing gradients", [&] {
    return state_->backend().alltoall_base(received, rows, equal_parts, equal_parts);
  }));
  const at::Tensor sum = received.select(0, 0);
  for (int64_t rank = 1; rank < ranks; ++rank) sum.add_(received.select(0, rank));
  std::vector<std::vector<at::Tensor>> sums = {rows.unbind(0)};
  std::vector<at::Tensor> own = {sum};
  RCNN_RETURN_IF_ERROR(state_->Collect("collecting the sums of gradients",
                                       [&] { return state_->backend().allgather(sums, own); }));
  if (!is_whole) values.view({-1}).copy_(sent.narrow(0, 0, count));
  return absl::OkStatus();
}

absl::Status RankGroup::Broadcast(at::Tensor values) {
  if (values.numel() == 0) return absl::OkStatus();
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> sent = {values.to(at::kCPU).contiguous()};
  RCNN_RETURN_IF_ERROR(
      state_->Collect("receiving from rank 0", [&] { return state_->backend().broadcast(sent); }));
  if (!sent.front().is_same(values)) values.copy_(sent.front());
  return absl::OkStatus();
}

absl::StatusOr<std::string> RankGroup::Broadcast(absl::string_view bytes) {
  at::Tensor length = at::full({1}, static_cast<int64_t>(bytes.size()), at::kLong);
  RCNN_RETURN_IF_ERROR(Broadcast(length));
  const int64_t size = length.item<int64_t>();
  if (size == 0) return std::string();
  at::Tensor data = rank() == 0 ? AsTensor(bytes) : at::empty({size}, at::kByte);
  RCNN_RETURN_IF_ERROR(Broadcast(data));
  return AsBytes(data, size);
}

// The first message of each rank has the length and the beginning of its bytes; a second one, of
// equal length on all ranks, has the rest of the longest.
absl::StatusOr<std::vector<std::string>> RankGroup::AllGather(absl::string_view bytes) {
  if (LocalExchange* const local = state_->local()) {
    absl::StatusOr<std::vector<std::string>> all =
        local->AllGather(bytes, state_->options().collective_timeout);
    if (all.ok()) return all;
    return state_->Explain("exchanging messages", all.status());
  }
  const auto gather = [this](const at::Tensor& mine, std::vector<at::Tensor>& all) {
    for (int rank = 0; rank < size(); ++rank) all.push_back(at::empty_like(mine));
    std::vector<std::vector<at::Tensor>> outputs = {all};
    std::vector<at::Tensor> inputs = {mine};
    return state_->Collect("exchanging messages",
                           [&] { return state_->backend().allgather(outputs, inputs); });
  };
  const int64_t length = static_cast<int64_t>(bytes.size());
  const std::string start =
      absl::StrCat(absl::string_view(reinterpret_cast<const char*>(&length), sizeof(length)),
                   bytes.substr(0, kFirstBytes));
  std::vector<at::Tensor> starts, rests;
  RCNN_RETURN_IF_ERROR(gather(Padded(start, sizeof(length) + kFirstBytes), starts));
  std::vector<int64_t> lengths(starts.size());
  for (size_t rank = 0; rank < starts.size(); ++rank) {
    std::memcpy(&lengths[rank], starts[rank].data_ptr(), sizeof(length));
  }
  const int64_t longest = *std::max_element(lengths.begin(), lengths.end());
  if (longest > kFirstBytes) {
    const auto rest = bytes.substr(std::min<size_t>(bytes.size(), kFirstBytes));
    RCNN_RETURN_IF_ERROR(gather(Padded(rest, longest - kFirstBytes), rests));
  }
  std::vector<std::string> all;
  for (size_t rank = 0; rank < starts.size(); ++rank) {
    const int64_t first = std::min(lengths[rank], kFirstBytes);
    all.push_back(AsBytes(starts[rank].narrow(0, sizeof(length), kFirstBytes), first));
    if (lengths[rank] > first) all.back() += AsBytes(rests[rank], lengths[rank] - first);
  }
  return all;
}

absl::StatusOr<std::vector<std::string>> RankGroup::Gather(absl::string_view bytes) {
  // All need the length of the longest.
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> lengths,
                        AllGather(absl::StrCat(bytes.size())));
  std::vector<int64_t> sizes;
  for (const std::string& length : lengths) sizes.push_back(std::stoll(length));
  const int64_t longest = std::max<int64_t>(1, *std::max_element(sizes.begin(), sizes.end()));
  std::vector<at::Tensor> inputs = {Padded(bytes, longest)}, parts;
  std::vector<std::vector<at::Tensor>> outputs;
  if (rank() == 0) {
    for (int rank = 0; rank < size(); ++rank) parts.push_back(at::empty({longest}, at::kByte));
    outputs = {parts};
  }
  RCNN_RETURN_IF_ERROR(state_->Collect("collecting results",
                                       [&] { return state_->backend().gather(outputs, inputs); }));
  std::vector<std::string> all;
  for (size_t rank = 0; rank < parts.size(); ++rank) {
    all.push_back(AsBytes(parts[rank], sizes[rank]));
  }
  return all;
}

absl::Status RankGroup::Barrier() {
  return state_->Collect("waiting for all ranks", [this] { return state_->backend().barrier(); });
}

absl::Status RankGroup::Announce(absl::string_view message) {
  return state_->store().Announce(message);
}

absl::StatusOr<std::string> RankGroup::Await() { return state_->store().Await(); }

void RankGroup::ReportFailure(const absl::Status& error) {
  state_->store()
      .Report({error.code(), absl::StrCat("rank ", rank(), ": ", error.message())})
      .IgnoreError();
}

}  // namespace rcnn::training

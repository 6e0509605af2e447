#include "rcnn/training/distributed/rank_group.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "rcnn/base/exception_status.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/training/distributed/gloo_backend.h"
#include "rcnn/training/distributed/own_address.h"
#include "rcnn/training/distributed/rank_store.h"
#include "rcnn/training/distributed/within_time.h"

namespace rcnn::training {
namespace {

using Json = nlohmann::json;
using BackendPtr = c10::intrusive_ptr<CollectiveBackend>;

at::Tensor AsTensor(absl::string_view bytes) {
  at::Tensor tensor = at::empty({static_cast<int64_t>(bytes.size())}, at::kByte);
  if (!bytes.empty()) std::memcpy(tensor.data_ptr(), bytes.data(), bytes.size());
  return tensor;
}

// The bytes and zeros up to `size`, as all ranks have to send equally much.
at::Tensor Padded(absl::string_view bytes, int64_t size) {
  at::Tensor padded = at::zeros({size}, at::kByte);
  padded.narrow(0, 0, static_cast<int64_t>(bytes.size())).copy_(AsTensor(bytes));
  return padded;
}

std::string AsBytes(const at::Tensor& tensor, int64_t size) {
  return std::string(static_cast<const char*>(tensor.data_ptr()), static_cast<size_t>(size));
}

// The first fact of rank `other` that is not rank 0's.
absl::Status Compare(const Json& first, const Json& mine, int other) {
  const Json nothing = Json::array({"", "(nothing)"});
  for (size_t i = 0; i < std::max(first.size(), mine.size()); ++i) {
    const Json& a = i < first.size() ? first[i] : nothing;
    const Json& b = i < mine.size() ? mine[i] : nothing;
    if (a == b) continue;
    const auto name = (i < first.size() ? a : b)[0].get<std::string>();
    return absl::FailedPreconditionError(
        absl::StrCat("the ranks do not run the same: ", name, " of rank 0 is ",
                     a[1].get<std::string>(), ", of rank ", other, " ", b[1].get<std::string>()));
  }
  return absl::OkStatus();
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
  absl::Status Collect(absl::string_view what,
                       const std::function<c10::intrusive_ptr<c10d::Work>()>& start);

  CollectiveBackend& backend() { return *backend_; }
  RankStore& store() { return *store_; }

 private:
  const RankEnvironment ranks_;
  RankGroupOptions options_;
  const std::unique_ptr<RankStore> store_;
  BackendPtr backend_;  // is closed before the store
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

absl::Status RankGroup::State::Collect(
    absl::string_view what, const std::function<c10::intrusive_ptr<c10d::Work>()>& start) {
  const absl::Status status = CatchExceptions([&] {
    start()->wait();
    return absl::OkStatus();
  });
  return status.ok() ? status : store_->Explain(what, status, options_.roll_call);
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
  return std::unique_ptr<RankGroup>(new RankGroup(std::move(state)));
}

int RankGroup::rank() const { return state_->store().rank(); }

int RankGroup::size() const { return state_->store().size(); }

absl::Status RankGroup::CheckSame(const Facts& facts) {
  const std::vector<uint8_t> packed = Json::to_msgpack(facts);
  RCNN_ASSIGN_OR_RETURN(const std::vector<std::string> all,
                        AllGather({reinterpret_cast<const char*>(packed.data()), packed.size()}));
  const Json first = Json::from_msgpack(all.front());
  for (int rank = 1; rank < size(); ++rank) {
    RCNN_RETURN_IF_ERROR(Compare(first, Json::from_msgpack(all[static_cast<size_t>(rank)]), rank));
  }
  return absl::OkStatus();
}

absl::Status RankGroup::Sum(at::Tensor values) {
  if (values.numel() == 0) return absl::OkStatus();
  const int64_t ranks = size(), count = values.numel(), chunk = (count + ranks - 1) / ranks;
  const bool is_whole = count == chunk * ranks;
  at::Tensor sent = is_whole ? values : at::zeros({chunk * ranks}, values.options());
  if (!is_whole) sent.narrow(0, 0, count).copy_(values);
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
  if (!is_whole) values.copy_(sent.narrow(0, 0, count));
  return absl::OkStatus();
}

absl::Status RankGroup::Broadcast(at::Tensor values) {
  if (values.numel() == 0) return absl::OkStatus();
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> sent = {values.contiguous()};
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

absl::StatusOr<std::vector<std::string>> RankGroup::AllGather(absl::string_view bytes) {
  const auto gather = [this](const at::Tensor& mine, std::vector<at::Tensor>& all) {
    for (int rank = 0; rank < size(); ++rank) all.push_back(at::empty_like(mine));
    std::vector<std::vector<at::Tensor>> outputs = {all};
    std::vector<at::Tensor> inputs = {mine};
    return state_->Collect("exchanging messages",
                           [&] { return state_->backend().allgather(outputs, inputs); });
  };
  std::vector<at::Tensor> lengths, parts;
  RCNN_RETURN_IF_ERROR(
      gather(at::full({1}, static_cast<int64_t>(bytes.size()), at::kLong), lengths));
  int64_t longest = 1;
  for (const at::Tensor& length : lengths) longest = std::max(longest, length.item<int64_t>());
  RCNN_RETURN_IF_ERROR(gather(Padded(bytes, longest), parts));
  std::vector<std::string> all;
  for (size_t rank = 0; rank < parts.size(); ++rank) {
    all.push_back(AsBytes(parts[rank], lengths[rank].item<int64_t>()));
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

// A message is the number of boxes of each image, int64, and then their float32 coordinates; before
// them the number of images, which is kAbandoned in place of a message, and the capacity, int64.

#include "rcnn/training/trainer/proposal_exchange.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstring>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rcnn::training {
namespace {

constexpr int64_t kAbandoned = -1;

void AppendNumber(int64_t number, std::string& message) {
  message.append(reinterpret_cast<const char*>(&number), sizeof(number));
}

int64_t TakeNumber(absl::string_view& message) {
  int64_t number = 0;
  std::memcpy(&number, message.data(), sizeof(number));
  message.remove_prefix(sizeof(number));
  return number;
}

at::Tensor TakeBoxes(int64_t count, absl::string_view& message) {
  at::Tensor boxes = at::empty({count, 4}, at::kFloat);
  if (count > 0) std::memcpy(boxes.data_ptr(), message.data(), boxes.nbytes());
  message.remove_prefix(boxes.nbytes());
  return boxes;
}

std::string Pack(const std::vector<at::Tensor>& images, int64_t capacity) {
  std::string message;
  AppendNumber(static_cast<int64_t>(images.size()), message);
  AppendNumber(capacity, message);
  for (const at::Tensor& boxes : images) AppendNumber(boxes.size(0), message);
  for (const at::Tensor& boxes : images) {
    const at::Tensor rows = boxes.to(at::kCPU).contiguous();
    if (rows.numel() > 0) message.append(static_cast<const char*>(rows.data_ptr()), rows.nbytes());
  }
  return message;
}

// Adds the proposals of one rank.
void Unpack(absl::string_view message, SharedProposals& all) {
  std::vector<int64_t> counts(static_cast<size_t>(TakeNumber(message)));
  all.capacity = std::max(all.capacity, TakeNumber(message));
  for (int64_t& count : counts) count = TakeNumber(message);
  for (const int64_t count : counts) all.images.push_back(TakeBoxes(count, message));
}

bool IsAbandoned(absl::string_view message) { return TakeNumber(message) == kAbandoned; }

}  // namespace

std::vector<at::Tensor> ProposalExchange::Share(const std::vector<at::Tensor>& own) {
  return ShareCounted(own, /*capacity=*/0).images;
}

SharedProposals ProposalExchange::ShareCounted(const std::vector<at::Tensor>& own,
                                               int64_t capacity) {
  const absl::StatusOr<std::vector<std::string>> messages = ranks_->AllGather(Pack(own, capacity));
  if (!messages.ok()) throw OtherRankFailed(messages.status());
  for (const std::string& message : *messages) {
    if (IsAbandoned(message)) throw OtherRankFailed(absl::OkStatus());
  }
  SharedProposals all;
  for (int64_t part = 0; part < share_.part.parts; ++part) {
    Unpack((*messages)[static_cast<size_t>(share_.first_rank + part)], all);
  }
  return all;
}

void ProposalExchange::Abandon() {
  if (in_step_) return;
  std::string message;
  AppendNumber(kAbandoned, message);
  const absl::Status status = ranks_->AllGather(message).status();
  if (!status.ok()) throw OtherRankFailed(status);
}

}  // namespace rcnn::training

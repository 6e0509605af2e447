// A message is the number of boxes of each image, int64, and then their float32 coordinates; before
// them the number of images, which is kAbandoned in place of a message.

#include "rcnn/training/trainer/proposal_exchange.h"

#include <ATen/ops/empty.h>

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

std::string Pack(const std::vector<at::Tensor>& images) {
  std::string message;
  AppendNumber(static_cast<int64_t>(images.size()), message);
  for (const at::Tensor& boxes : images) AppendNumber(boxes.size(0), message);
  for (const at::Tensor& boxes : images) {
    const at::Tensor rows = boxes.to(at::kCPU).contiguous();
    if (rows.numel() > 0) message.append(static_cast<const char*>(rows.data_ptr()), rows.nbytes());
  }
  return message;
}

std::vector<at::Tensor> Unpack(absl::string_view message) {
  std::vector<int64_t> counts(static_cast<size_t>(TakeNumber(message)));
  for (int64_t& count : counts) count = TakeNumber(message);
  std::vector<at::Tensor> images;
  for (const int64_t count : counts) images.push_back(TakeBoxes(count, message));
  return images;
}

bool IsAbandoned(absl::string_view message) { return TakeNumber(message) == kAbandoned; }

}  // namespace

std::vector<at::Tensor> ProposalExchange::Share(const std::vector<at::Tensor>& own) {
  const absl::StatusOr<std::vector<std::string>> messages = ranks_->AllGather(Pack(own));
  if (!messages.ok()) throw OtherRankFailed(messages.status());
  for (const std::string& message : *messages) {
    if (IsAbandoned(message)) throw OtherRankFailed(absl::OkStatus());
  }
  std::vector<at::Tensor> all;
  for (int64_t part = 0; part < share_.part.parts; ++part) {
    for (at::Tensor& boxes : Unpack((*messages)[static_cast<size_t>(share_.first_rank + part)])) {
      all.push_back(std::move(boxes));
    }
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

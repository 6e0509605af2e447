#include "rcnn/detection/weights/state_dict.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/printable.h"

namespace rcnn::detection::weights {

bool StateDict::Add(std::string name, at::Tensor tensor) {
  if (!index_.try_emplace(name, entries_.size()).second) return false;
  entries_.push_back({std::move(name), std::move(tensor)});
  return true;
}

const at::Tensor* StateDict::Find(absl::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second].tensor;
}

void StateDict::ReleasePages(const at::Tensor& part) const {
  if (file_ == nullptr || !part.device().is_cpu() || !part.is_contiguous()) return;
  file_->ReleasePages({static_cast<const char*>(part.data_ptr()), part.nbytes()});
}

std::function<void(const void* data, size_t bytes)> StateDict::PageReleaser() const {
  if (file_ == nullptr) return nullptr;
  return [file = file_](const void* data, size_t bytes) {
    file->ReleasePages({static_cast<const char*>(data), bytes});
  };
}

void StateDict::ReadInParts(const at::Tensor& tensor,
                            absl::FunctionRef<void(const at::Tensor& part)> read) const {
  if (!tensor.is_contiguous()) {
    read(tensor);
    return;
  }
  const at::Tensor numbers = tensor.view(-1);
  for (int64_t begin = 0; begin < numbers.numel(); begin += kPartNumbers) {
    const at::Tensor part =
        numbers.narrow(0, begin, std::min(kPartNumbers, numbers.numel() - begin));
    read(part);
    ReleasePages(part);
  }
}

int64_t TotalBytes(const StateDict& state) {
  int64_t bytes = 0;
  for (const StateDict::Entry& entry : state) {
    bytes += entry.tensor.numel() * static_cast<int64_t>(entry.tensor.element_size());
  }
  return bytes;
}

std::string ShapeString(at::IntArrayRef sizes) {
  return absl::StrCat("[", absl::StrJoin(sizes, ", "), "]");
}

std::string DescribeStateDict(const StateDict& state) {
  NameWidth width(0);
  for (const StateDict::Entry& entry : state) width.Add(Printable(entry.name));
  std::string text;
  for (const StateDict::Entry& entry : state) {
    absl::StrAppendFormat(&text, "%s  %-8s  %s\n", width.Pad(Printable(entry.name)),
                          c10::toString(entry.tensor.scalar_type()),
                          ShapeString(entry.tensor.sizes()));
  }
  absl::StrAppendFormat(&text, "%s, %.1f MB\n", Counted(state.size(), "tensor"),
                        TotalBytes(state) * 1e-6);
  for (const auto& [key, value] : state.metadata()) {
    absl::StrAppendFormat(&text, "%s = %s\n", Printable(key), Printable(value));
  }
  return text;
}

}  // namespace rcnn::detection::weights

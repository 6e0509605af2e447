#include "rcnn/detection/losses.h"

#include <ATen/TensorOperators.h>

#include <iterator>

namespace rcnn::detection {
namespace {

template <typename Values>
const typename Values::value_type::second_type& Find(const Values& values,
                                                     const std::string& name) {
  for (const auto& [known, value] : values) {
    if (known == name) return value;
  }
  TORCH_CHECK(false, "no loss or count is named ", name);
}

}  // namespace

void Losses::Append(Losses more) {
  std::move(more.parts.begin(), more.parts.end(), std::back_inserter(parts));
  std::move(more.counts.begin(), more.counts.end(), std::back_inserter(counts));
  std::move(more.unread_counts.begin(), more.unread_counts.end(),
            std::back_inserter(unread_counts));
  std::move(more.finite.begin(), more.finite.end(), std::back_inserter(finite));
}

at::Tensor Losses::Total() const {
  at::Tensor total;
  for (const auto& [name, part] : parts) total = total.defined() ? total + part : part;
  return total;
}

const at::Tensor& Losses::Part(const std::string& name) const { return Find(parts, name); }

int64_t Losses::Count(const std::string& name) const {
  for (const auto& [unread, count] : unread_counts) {
    if (unread == name) return count.item<int64_t>();
  }
  return Find(counts, name);
}

}  // namespace rcnn::detection

#include "rcnn/training/trainer/non_finite_flag.h"

#include <ATen/ATen.h>

namespace rcnn::training {
namespace {

// Until there is a value that is not finite.
constexpr int64_t kNone = -1;

}  // namespace

void NonFiniteFlag::Add(const std::string& name, const at::Tensor& finite, int64_t iteration) {
  at::Tensor& first = first_[name];
  if (!first.defined()) first = at::full({}, kNone, finite.options().dtype(at::kLong));
  first = first.masked_fill(first.eq(kNone).bitwise_and(finite.bitwise_not()), iteration);
}

at::Tensor NonFiniteFlag::IsClear() const {
  at::Tensor clear;
  for (const auto& [name, first] : first_) {
    const at::Tensor none = first.eq(kNone);
    clear = clear.defined() ? clear.bitwise_and(none) : none;
  }
  return clear;
}

std::optional<NonFiniteFlag::Fault> NonFiniteFlag::Read() const {
  if (first_.empty()) return std::nullopt;
  std::vector<at::Tensor> firsts;
  for (const auto& [name, first] : first_) firsts.push_back(first);
  const at::Tensor iterations = at::stack(firsts).cpu();
  const int64_t* next = iterations.data_ptr<int64_t>();
  std::optional<Fault> fault;
  for (const auto& [name, first] : first_) {
    const int64_t iteration = *next++;
    if (iteration == kNone || (fault.has_value() && iteration > fault->iteration)) continue;
    if (!fault.has_value() || iteration < fault->iteration) fault = Fault{iteration, {}};
    fault->names.push_back(name);
  }
  return fault;
}

}  // namespace rcnn::training

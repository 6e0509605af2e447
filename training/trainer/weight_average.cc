#include "rcnn/training/trainer/weight_average.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rcnn/base/lerp_tensors.h"

namespace rcnn::training {
namespace {

constexpr char kUpdates[] = "average_updates";

std::string AverageName(const TrainedParameter& parameter) {
  return absl::StrCat("average.", parameter.name);
}

}  // namespace

WeightAverage::WeightAverage(std::vector<TrainedParameter> parameters, double decay)
    : parameters_(std::move(parameters)), decay_(decay) {
  if (decay_ <= 0) return;
  for (const TrainedParameter& parameter : parameters_) {
    averages_.push_back(parameter.value.detach().clone());
  }
}

void WeightAverage::Update() {
  const double n = static_cast<double>(++updates_);
  if (averages_.empty()) return;
  const double decay = std::min(decay_, (1 + n) / (10 + n));
  std::vector<at::Tensor> values;
  for (const TrainedParameter& parameter : parameters_) values.push_back(parameter.value);
  LerpTensors(averages_, values, 1 - decay);
}

WeightAverage::Swap::Swap(const WeightAverage& average) : average_(average) {
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < average_.averages_.size(); ++i) {
    at::Tensor value = average_.parameters_[i].value;
    weights_.push_back(value.detach().clone());
    value.copy_(average_.averages_[i]);
  }
}

WeightAverage::Swap::~Swap() {
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < weights_.size(); ++i) {
    at::Tensor value = average_.parameters_[i].value;
    value.copy_(weights_[i]);
  }
}

void WeightAverage::Save(detection::weights::StateDict& state) const {
  for (size_t i = 0; i < averages_.size(); ++i) {
    state.Add(AverageName(parameters_[i]), averages_[i]);
  }
  if (!averages_.empty()) state.Add(kUpdates, at::scalar_tensor(updates_, at::kLong));
}

absl::Status WeightAverage::Restore(const detection::weights::StateDict& state) {
  if (averages_.empty()) return absl::OkStatus();
  for (size_t i = 0; i < averages_.size(); ++i) {
    const std::string name = AverageName(parameters_[i]);
    const at::Tensor* saved = state.Find(name);
    if (saved == nullptr || saved->sizes() != averages_[i].sizes()) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, saved == nullptr ? " is missing" : " has another shape"));
    }
    averages_[i].copy_(*saved);
  }
  const at::Tensor* updates = state.Find(kUpdates);
  if (updates == nullptr) return absl::InvalidArgumentError(absl::StrCat(kUpdates, " is missing"));
  updates_ = updates->item<int64_t>();
  return absl::OkStatus();
}

}  // namespace rcnn::training

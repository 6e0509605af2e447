#include "rcnn/detection/prepared_layer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "rcnn/detection/unfilled_weights.h"

namespace rcnn::detection {
namespace {

// Numbers of a borrowed weight that are copied together.
constexpr int64_t kCopiedNumbers = int64_t{1} << 20;

void Draw(at::Tensor& weight, const Init& init, at::Generator generator) {
  const int64_t receptive = weight.dim() == 4 ? weight.size(2) * weight.size(3) : 1;
  at::NoGradGuard no_grad;
  switch (init.kind) {
    case Init::kNormal:
      weight.normal_(0, init.stddev, generator);
      return;
    case Init::kReluFanOut:
      weight.normal_(0, std::sqrt(2.0 / static_cast<double>(weight.size(0) * receptive)),
                     generator);
      return;
    case Init::kUniformFanIn: {
      const double limit = std::sqrt(3.0 / static_cast<double>(weight.size(1) * receptive));
      weight.uniform_(-limit, limit, generator);
      return;
    }
  }
}

}  // namespace

void PreparedLayer::CheckPrepared(const BatchMap& x) const {
  TORCH_CHECK(Version() == prepared_version_,
              "layer: weights were changed after PrepareForInference; call it again");
  if (!at::GradMode::is_enabled()) return;
  const bool wanted = weight_.requires_grad() ||
                      std::any_of(x.parts.begin(), x.parts.end(),
                                  [](const at::Tensor& part) { return part.requires_grad(); });
  TORCH_CHECK(!wanted, "layer: no gradient flows after PrepareForInference; call EndInference");
}

void PreparedLayer::PrepareForInference(const InferenceOptions& options,
                                        const StoredLayer* stored) {
  EndInference();
  TORCH_CHECK(stored == nullptr || stored->weight.data != nullptr, "layer: no stored weights");
  at::NoGradGuard no_grad;
  replaced_ = Pack(keeps_float32_ ? Precision::kFloat32 : options.precision, stored);
  if (!replaced_) OwnWeight();
  prepared_version_ = Version();
  if (options.drop_weights) DropWeights();
}

bool PreparedLayer::BorrowWeight(const at::Tensor& weight, ReleaseMemory release) {
  const auto can = [](const at::Tensor& t) {
    return t.device().is_cpu() && t.scalar_type() == at::kFloat && t.layout() == at::kStrided &&
           t.is_contiguous() && !t.is_inference();
  };
  if (!can(weight) || !can(weight_) || weight.sizes() != weight_.sizes()) return false;
  EndInference();
  borrowed_ = weight.detach();
  release_ = std::move(release);
  weight_.set_data(borrowed_);
  return true;
}

bool PreparedLayer::IsBorrowed() const {
  return borrowed_.defined() && weight_.is_alias_of(borrowed_);
}

void PreparedLayer::OwnWeight() {
  if (!IsBorrowed()) return;
  const at::NoGradGuard no_grad;
  const UnfilledWeights unfilled;
  const at::Tensor own = NewWeights(weight_.sizes());
  const at::Tensor from = borrowed_.view(-1), to = own.view(-1);
  for (int64_t begin = 0; begin < from.numel(); begin += kCopiedNumbers) {
    const int64_t count = std::min(kCopiedNumbers, from.numel() - begin);
    const at::Tensor part = from.narrow(0, begin, count);
    to.narrow(0, begin, count).copy_(part);
    if (release_ != nullptr) release_(part.data_ptr(), part.nbytes());
  }
  weight_.set_data(own);
  borrowed_ = at::Tensor();
  release_ = nullptr;
}

void PreparedLayer::ReleaseWeight() const {
  const ReleaseMemory release = Releaser();
  if (release != nullptr) release(weight_.data_ptr(), weight_.nbytes());
}

void PreparedLayer::PrepareForChange() {
  EndInference();
  OwnWeight();
}

void PreparedLayer::ResetWeight(const Init& init, at::Generator generator) {
  PrepareForChange();
  Draw(weight_, init, std::move(generator));
  const at::NoGradGuard no_grad;
  if (bias_.defined()) bias_.zero_();
}

void PreparedLayer::DropWeights() {
  if (!replaced_ || dropped_) return;
  weight_.set_data(at::empty({0}, weight_.options().requires_grad(false)));
  borrowed_ = at::Tensor();
  release_ = nullptr;
  dropped_ = true;
  prepared_version_ = Version();
}

c10::optional<StoredLayer> PreparedLayer::Stored() const {
  if (!IsPrepared()) return c10::nullopt;
  TORCH_CHECK(!dropped_, "layer: PrepareForInference has dropped the weights");
  at::NoGradGuard no_grad;
  return StorePacked();
}

void PreparedLayer::EndInference() {
  TORCH_CHECK(!dropped_, "layer: PrepareForInference has dropped the weights");
  replaced_ = false;
  Unpack();
}

void PreparedLayer::train(bool on) {
  if (on) PrepareForChange();
  Module::train(on);
}

void PreparedLayer::to(torch::Device device, torch::Dtype dtype, bool non_blocking) {
  PrepareForChange();
  Module::to(device, dtype, non_blocking);
}

void PreparedLayer::to(torch::Dtype dtype, bool non_blocking) {
  PrepareForChange();
  Module::to(dtype, non_blocking);
}

void PreparedLayer::to(torch::Device device, bool non_blocking) {
  PrepareForChange();
  Module::to(device, non_blocking);
}

}  // namespace rcnn::detection

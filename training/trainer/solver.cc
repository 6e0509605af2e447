// One update, for each parameter w with summed gradient sum(g) over n = batches_per_update batches:
//
//   norm   = |sum(g) of all parameters| / n
//   g      = sum(g) * scale,  scale = 1 / n, times max_gradient_norm / norm where norm exceeds it
//   rate   = LearningRate(iteration) * the multiplier of w;  decay likewise
//
//   SGD, LR_INSIDE   v = m v + rate (g + decay w)     w = w - v          (Caffe)
//   SGD, LR_OUTSIDE  v = m v + (g + decay w)          w = w - rate v     (PyTorch)
//   AdamW            m = b1 m + (1 - b1) g            v = b2 v + (1 - b2) g^2
//                    w = (1 - rate decay) w
//                        - rate / (1 - b1^t) m / (sqrt(v / (1 - b2^t)) + epsilon)
//
// t counts the updates of that one parameter. A parameter without a gradient keeps w, v, m and t.
// The decay of AdamW is multiplied by the whole rate, as in PyTorch; in the paper only by the
// schedule's factor.
//
// A parameter's state:
//
//   before                    | Update finds      | after
//   first, second, updates    | no gradient       | unchanged
//   first, second, updates    | a finite gradient | advanced; gradient cleared
//   any, of all parameters    | one not finite    | kDataLoss, all unchanged: the norm is
//                             |                   | computed before any parameter changes
//
// Invariants:
//   - State() and Restore() are inverse, and with the weights and the iteration they are all that
//     the solver needs to resume.
//   - Sums run over chunks of kGrain elements in float64 and are added in order, so neither the
//     norm nor an update depends on the number of threads.
//
// On another device the scalars norm and scale stay there, and so does whether the update applies:
// the gradients are finite and the caller allows it. Where the loss was scaled, scale includes
// 1 / that factor. Which code makes the update:
//
//   kLoops       the CPU
//   kKernels     CUDA, where rcnn's kernels are built: three launches (ops/weight_update.h)
//   kOperators   CUDA without them: LibTorch's operators, some ten launches for each parameter
//
// Kernels and loops have the same formulas and sums, and on the CPU the same bits; operators differ
// by rounding.
//
// Why it is fast: one pass over g for the norm, and one over w, g and the moments, both bounded by
// memory: per element 16 bytes read and 8 written for SGD, 20 and 12 for AdamW.
//
// Source: Loshchilov and Hutter, arXiv:1711.05101v3, Algorithm 2, for AdamW; configs/solver.proto
// for the forms of momentum.

#include "rcnn/training/trainer/solver.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/clamp_max.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/logical_and.h>
#include <ATen/ops/logical_or.h>
#include <ATen/ops/reciprocal.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/target_clones.h"
#include "rcnn/ops/kernels/weight_update.h"
#include "rcnn/ops/tensor_layout.h"
#include "rcnn/ops/weight_update.h"
#include "rcnn/training/trainer/learning_rate.h"
#include "rcnn/training/trainer/parameter_rules.h"

namespace rcnn::training {
namespace {

using configs::SolverConfig;
using detection::weights::StateDict;

// Elements per task. Fixed, so that sums do not depend on the number of threads, nor on the device.
constexpr int64_t kGrain = ops::kUpdateChunk;

RCNN_LOOP void SgdLoop(float* w, const float* g, float* v, int64_t n, ops::SgdStep s) {
  for (int64_t i = 0; i < n; ++i) ops::ApplySgd(s, g[i], w[i], v[i]);
}
RCNN_TARGET_CLONES(void, ApplySgd, SgdLoop,
                   (float* w, const float* g, float* v, int64_t n, ops::SgdStep s),
                   (w, g, v, n, s));

RCNN_LOOP void AdamWLoop(float* w, const float* g, float* m, float* v, int64_t n,
                         ops::AdamWStep s) {
  for (int64_t i = 0; i < n; ++i) ops::ApplyAdamW(s, g[i], w[i], m[i], v[i]);
}
RCNN_TARGET_CLONES(void, ApplyAdamW, AdamWLoop,
                   (float* w, const float* g, float* m, float* v, int64_t n, ops::AdamWStep s),
                   (w, g, m, v, n, s));

RCNN_LOOP double SumOfSquaresLoop(const float* g, int64_t n) {
  // Eight sums that the compiler keeps in one register.
  double sums[8] = {};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (int j = 0; j < 8; ++j) {
      const double value = g[i + j];
      sums[j] += value * value;
    }
  }
  for (; i < n; ++i) sums[0] += static_cast<double>(g[i]) * g[i];
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}
RCNN_TARGET_CLONES(double, SumOfSquares, SumOfSquaresLoop, (const float* g, int64_t n), (g, n));

template <typename Function>
void ForEachChunk(int64_t n, const Function& function) {
  const int64_t chunks = (n + kGrain - 1) / kGrain;
  at::parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      function(c, c * kGrain, std::min(kGrain, n - c * kGrain));
    }
  });
}

double SumOfSquares(const at::Tensor& gradient) {
  const int64_t n = gradient.numel();
  std::vector<double> sums(static_cast<size_t>((n + kGrain - 1) / kGrain));
  const float* data = gradient.data_ptr<float>();
  ForEachChunk(n, [&](int64_t chunk, int64_t begin, int64_t count) {
    sums[static_cast<size_t>(chunk)] = SumOfSquares(data + begin, count);
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

// The gradient with the memory layout of the weight, so that all tensors of a
// parameter can be processed as flat arrays.
at::Tensor LikeWeight(const at::Tensor& gradient, const at::Tensor& weight) {
  if (!gradient.defined() || ops::HaveSameLayout(gradient, weight)) return gradient;
  return at::empty_like(weight).copy_(gradient);
}

absl::Status CheckDevices(const std::vector<TrainedParameter>& parameters) {
  const c10::Device first = parameters.front().value.device();
  for (const TrainedParameter& parameter : parameters) {
    if (parameter.value.device() == first) continue;
    return absl::InvalidArgumentError(absl::StrCat("solver: parameter ", parameter.name, " is on ",
                                                   parameter.value.device().str(),
                                                   ", others are on ", first.str()));
  }
  return absl::OkStatus();
}

ops::WeightUpdateRule MakeRule(const SolverConfig& config) {
  ops::WeightUpdateRule rule;
  rule.is_adamw = config.has_adamw();
  if (rule.is_adamw) {
    rule.beta1 = config.adamw().beta1();
    rule.beta2 = config.adamw().beta2();
    rule.epsilon = config.adamw().epsilon();
  } else {
    rule.momentum = config.sgd().momentum();
    rule.rate_inside = config.sgd().momentum_form() == configs::SgdConfig::LR_INSIDE;
  }
  return rule;
}

std::string BufferName(const char* kind, const TrainedParameter& parameter) {
  return absl::StrCat(kind, ".", parameter.name);
}

absl::StatusOr<at::Tensor> FindBuffer(const StateDict& state, const std::string& name,
                                      at::IntArrayRef sizes, at::ScalarType type) {
  const at::Tensor* found = state.Find(name);
  if (found == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("the solver's state has no ", name));
  }
  if (found->sizes() != sizes || found->scalar_type() != type) {
    return absl::InvalidArgumentError(
        absl::StrCat("the solver's state has ", name, " with another shape or type"));
  }
  return *found;
}

}  // namespace

absl::StatusOr<Solver> Solver::Create(const SolverConfig& config,
                                      std::vector<TrainedParameter> parameters,
                                      const SolverOptions& options) {
  RCNN_RETURN_IF_ERROR(CheckSolverConfig(config));
  if (parameters.empty()) {
    return absl::InvalidArgumentError("solver: no parameters to train; is everything frozen?");
  }
  RCNN_ASSIGN_OR_RETURN(std::vector<ParameterMultipliers> multipliers,
                        FindMultipliers(config, parameters));
  RCNN_RETURN_IF_ERROR(CheckDevices(parameters));
  return Solver(config, std::move(parameters), std::move(multipliers), options);
}

Solver::Form Solver::ChooseForm(const SolverOptions& options, c10::DeviceType device) {
  const bool is_cpu = device == c10::DeviceType::CPU;
  if (options.uses_operators) return Form::kOperators;
  if (is_cpu && !options.uses_kernels && !options.scales_loss) return Form::kLoops;
  return ops::CanUpdateWeights(device) ? Form::kKernels : Form::kOperators;
}

Solver::Solver(SolverConfig config, std::vector<TrainedParameter> parameters,
               std::vector<ParameterMultipliers> multipliers, const SolverOptions& options)
    : config_(std::move(config)),
      parameters_(std::move(parameters)),
      multipliers_(std::move(multipliers)),
      rule_(MakeRule(config_)),
      form_(ChooseForm(options, parameters_.front().value.device().type())),
      updates_(parameters_.size(), 0) {
  const c10::Device device = parameters_.front().value.device();
  if (options.scales_loss) loss_scale_.emplace(device);
  for (const TrainedParameter& parameter : parameters_) {
    first_.push_back(at::zeros_like(parameter.value.detach()));
    second_.push_back(config_.has_adamw() ? at::zeros_like(parameter.value.detach())
                                          : at::Tensor());
    device_updates_.push_back(at::zeros({}, at::TensorOptions(at::kLong).device(device)));
  }
}

at::Tensor Solver::ScaleLoss(const at::Tensor& loss) const {
  return loss_scale_ ? loss_scale_->Scale(loss) : loss;
}

double Solver::Rate(size_t index, int64_t iteration) const {
  return LearningRate(config_, iteration) * multipliers_[index].learning_rate;
}

double Solver::Decay(size_t index) const {
  return config_.weight_decay() * multipliers_[index].weight_decay;
}

at::Tensor Solver::NumUpdates(size_t index) const {
  return form_ == Form::kLoops ? at::full({}, updates_[index], at::kLong) : device_updates_[index];
}

absl::StatusOr<double> Solver::GradientNorm(const std::vector<at::Tensor>& gradients) const {
  double total = 0;
  for (size_t p = 0; p < gradients.size(); ++p) {
    if (!gradients[p].defined()) continue;
    const double sum = SumOfSquares(gradients[p]);
    if (!std::isfinite(sum)) {
      return absl::DataLossError(
          absl::StrCat("the gradient of ", parameters_[p].name, " is not finite"));
    }
    total += sum;
  }
  return std::sqrt(total) / config_.batches_per_update();
}

void Solver::UpdateParameter(size_t index, const at::Tensor& gradient, double scale,
                             int64_t iteration) {
  const double rate = Rate(index, iteration);
  const double decay = Decay(index);
  float* w = parameters_[index].value.data_ptr<float>();
  const float* g = gradient.data_ptr<float>();
  float* first = first_[index].data_ptr<float>();
  if (!rule_.is_adamw) {
    const ops::SgdStep step = ops::MakeSgdStep(rule_, scale, rate, decay);
    ForEachChunk(gradient.numel(), [&](int64_t, int64_t at, int64_t count) {
      ApplySgd(w + at, g + at, first + at, count, step);
    });
    return;
  }
  const auto t = static_cast<double>(++updates_[index]);
  const ops::AdamWStep step = ops::MakeAdamWStep(rule_, scale, rate, decay, t);
  float* second = second_[index].data_ptr<float>();
  ForEachChunk(gradient.numel(), [&](int64_t, int64_t at, int64_t count) {
    ApplyAdamW(w + at, g + at, first + at, second + at, count, step);
  });
}

void Solver::UpdateWithOperators(size_t index, const at::Tensor& gradient, const UpdateGate& gate,
                                 int64_t iteration) {
  const double rate = Rate(index, iteration);
  const double decay = Decay(index);
  if (!rule_.is_adamw) {
    UpdateSgd(parameters_[index].value, gradient, first_[index],
              {rate, decay, rule_.momentum, rule_.rate_inside}, gate);
    return;
  }
  UpdateAdamW(parameters_[index].value, gradient, first_[index], second_[index],
              device_updates_[index], {rate, decay, rule_.beta1, rule_.beta2, rule_.epsilon}, gate);
}

ops::WeightUpdateResult Solver::UpdateWithOperators(const std::vector<at::Tensor>& gradients,
                                                    int64_t iteration, const at::Tensor& allowed) {
  const c10::Device device = parameters_.front().value.device();
  at::Tensor scale = at::full({}, 1.0 / config_.batches_per_update(),
                              at::TensorOptions(at::kDouble).device(device));
  if (loss_scale_) scale = scale / loss_scale_->value();
  const at::Tensor norm = NormOfGradients(gradients, device) * scale;
  const at::Tensor finite = at::isfinite(norm);
  const double limit = config_.max_gradient_norm();
  if (limit > 0) scale = scale * at::clamp_max(at::reciprocal(norm) * limit, 1);
  const UpdateGate gate = {scale.to(at::kFloat),
                           allowed.defined() ? at::logical_and(finite, allowed) : finite};
  for (size_t p = 0; p < parameters_.size(); ++p) {
    if (gradients[p].defined()) UpdateWithOperators(p, gradients[p], gate, iteration);
  }
  return {at::where(finite, norm, at::zeros_like(norm)), finite};
}

ops::WeightUpdateResult Solver::UpdateWithKernels(const std::vector<at::Tensor>& gradients,
                                                  int64_t iteration, const at::Tensor& allowed) {
  std::vector<ops::UpdatedTensors> rows;
  for (size_t p = 0; p < parameters_.size(); ++p) {
    if (!gradients[p].defined()) continue;
    rows.push_back({parameters_[p].value, gradients[p], first_[p], second_[p], device_updates_[p],
                    Rate(p, iteration), Decay(p)});
  }
  // Kernels need a weight to tell their device.
  if (rows.empty()) return UpdateWithOperators(gradients, iteration, allowed);
  ops::WeightUpdateOptions options;
  options.rule = rule_;
  options.batches = config_.batches_per_update();
  options.max_norm = config_.max_gradient_norm();
  if (loss_scale_) options.loss_scale = loss_scale_->value();
  options.allowed = allowed;
  return ops::UpdateWeights(rows, options);
}

UpdateInfo Solver::UpdateOnDevice(const std::vector<at::Tensor>& gradients, int64_t iteration,
                                  const at::Tensor& allowed) {
  const at::NoGradGuard no_grad;
  const ops::WeightUpdateResult result = form_ == Form::kKernels
                                             ? UpdateWithKernels(gradients, iteration, allowed)
                                             : UpdateWithOperators(gradients, iteration, allowed);
  for (const TrainedParameter& parameter : parameters_) parameter.value.mutable_grad().reset();
  UpdateInfo info = {LearningRate(config_, iteration), std::numeric_limits<double>::quiet_NaN()};
  info.unread_norm = result.norm;
  info.finite =
      loss_scale_ ? at::logical_or(result.finite, loss_scale_->CanShrink()) : result.finite;
  if (loss_scale_) {
    info.loss_scale = loss_scale_->value().clone();
    loss_scale_->Update(result.finite);
  }
  return info;
}

absl::StatusOr<UpdateInfo> Solver::Update(int64_t iteration, const at::Tensor& allowed) {
  std::vector<at::Tensor> gradients;
  for (const TrainedParameter& parameter : parameters_) {
    gradients.push_back(LikeWeight(parameter.value.grad(), parameter.value));
  }
  if (form_ != Form::kLoops) return UpdateOnDevice(gradients, iteration, allowed);
  UpdateInfo info;
  info.learning_rate = LearningRate(config_, iteration);
  RCNN_ASSIGN_OR_RETURN(info.gradient_norm, GradientNorm(gradients));
  double scale = 1.0 / config_.batches_per_update();
  const double limit = config_.max_gradient_norm();
  if (limit > 0 && info.gradient_norm > limit) scale *= limit / info.gradient_norm;
  for (size_t p = 0; p < parameters_.size(); ++p) {
    if (gradients[p].defined()) UpdateParameter(p, gradients[p], scale, iteration);
    parameters_[p].value.mutable_grad().reset();
  }
  return info;
}

StateDict Solver::State() const {
  StateDict state;
  for (size_t p = 0; p < parameters_.size(); ++p) {
    const TrainedParameter& parameter = parameters_[p];
    if (config_.has_sgd()) {
      state.Add(BufferName("momentum", parameter), first_[p]);
      continue;
    }
    state.Add(BufferName("first_moment", parameter), first_[p]);
    state.Add(BufferName("second_moment", parameter), second_[p]);
    state.Add(BufferName("updates", parameter), NumUpdates(p));
  }
  if (loss_scale_) {
    state.Add("loss_scale.value", loss_scale_->value());
    state.Add("loss_scale.good_updates", loss_scale_->good_updates());
  }
  return state;
}

absl::Status Solver::Restore(const StateDict& state) {
  const StateDict own = State();
  for (const StateDict::Entry& entry : state) {
    if (own.Find(entry.name) == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("the solver's state has ", entry.name, ", which matches no parameter"));
    }
  }
  std::vector<at::Tensor> found;
  for (const StateDict::Entry& entry : own) {
    RCNN_ASSIGN_OR_RETURN(at::Tensor buffer, FindBuffer(state, entry.name, entry.tensor.sizes(),
                                                        entry.tensor.scalar_type()));
    found.push_back(std::move(buffer));
  }
  auto next = found.begin();
  for (size_t p = 0; p < parameters_.size(); ++p) {
    first_[p].copy_(*next++);
    if (config_.has_sgd()) continue;
    second_[p].copy_(*next++);
    device_updates_[p].copy_(*next);
    updates_[p] = (next++)->item<int64_t>();
  }
  if (loss_scale_) {
    at::Tensor(loss_scale_->value()).copy_(*next++);
    at::Tensor(loss_scale_->good_updates()).copy_(*next++);
  }
  return absl::OkStatus();
}

}  // namespace rcnn::training

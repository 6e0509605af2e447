#include "rcnn/ops/weight_update.h"

#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <string>
#include <tuple>

#include "rcnn/ops/cpu/serial_grid.h"
#include "rcnn/ops/dispatch.h"
#include "rcnn/ops/weight_update_table.h"

namespace rcnn::ops {
namespace {

std::tuple<at::Tensor, at::Tensor> UpdateOnCpu(
    at::TensorList weights, at::TensorList gradients, at::TensorList first, at::TensorList second,
    at::TensorList updates, at::ArrayRef<double> rates, at::ArrayRef<double> decays, bool adamw,
    double momentum, bool rate_inside, double beta1, double beta2, double epsilon, int64_t batches,
    double max_norm, const c10::optional<at::Tensor>& loss_scale,
    const c10::optional<at::Tensor>& allowed) {
  const WeightUpdateTable table =
      MakeWeightUpdateTable(weights, gradients, first, second, updates, rates, decays);
  const at::Tensor norm = at::empty({}, weights[0].options().dtype(at::kDouble));
  const at::Tensor finite = at::empty({}, weights[0].options().dtype(at::kBool));
  std::vector<double> squares(table.chunks.size());
  UpdateDecision decision{};
  WeightUpdate update{};
  update.rule = {adamw, momentum, rate_inside, beta1, beta2, epsilon};
  update.batches = batches;
  update.max_norm = max_norm;
  update.num_weights = static_cast<int64_t>(table.weights.size());
  update.weights = table.weights.data();
  update.num_chunks = static_cast<int64_t>(table.chunks.size());
  update.chunks = table.chunks.data();
  update.loss_scale = LossScaleData(loss_scale, weights[0]);
  update.allowed = AllowedData(allowed, weights[0]);
  update.squares = squares.data();
  update.decision = &decision;
  update.norm = norm.data_ptr<double>();
  update.finite = finite.data_ptr<bool>();
  SerialGrid launch;
  RunWeightUpdate(launch, update);
  return {norm, finite};
}

constexpr char kName[] = "_update_weights";
constexpr char kSchema[] =
    "_update_weights(Tensor(a!)[] weights, Tensor[] gradients, Tensor(b!)[] first, "
    "Tensor(c!)[] second, Tensor(d!)[] updates, float[] rates, float[] decays, bool adamw, "
    "float momentum, bool rate_inside, float beta1, float beta2, float epsilon, int batches, "
    "float max_norm, Tensor? loss_scale, Tensor? allowed) -> (Tensor norm, Tensor finite)";

// Without the fallback of other operators: what it copied back would not be the weights.
TORCH_LIBRARY_FRAGMENT(rcnn, m) {
  m.def(kSchema);
  m.impl(kName, torch::dispatch(c10::DispatchKey::CPU, &UpdateOnCpu));
  m.impl(kName, torch::dispatch(c10::DispatchKey::Autograd, torch::CppFunction::makeFallthrough()));
}

c10::optional<at::Tensor> IfDefined(const at::Tensor& tensor) {
  return tensor.defined() ? c10::optional<at::Tensor>(tensor) : c10::nullopt;
}

}  // namespace

bool CanUpdateWeights(c10::DeviceType device) {
  if (device == c10::DeviceType::CPU) return true;
  const auto found = c10::Dispatcher::singleton().findSchema({std::string("rcnn::") + kName, ""});
  return device == c10::DeviceType::CUDA && found.has_value() &&
         found->hasKernelForDispatchKey(c10::DispatchKey::CUDA);
}

WeightUpdateResult UpdateWeights(const std::vector<UpdatedTensors>& weights,
                                 const WeightUpdateOptions& options) {
  TORCH_CHECK(options.batches >= 1, "batches: expected at least 1, got ", options.batches);
  const WeightUpdateRule& rule = options.rule;
  std::vector<at::Tensor> values, gradients, first, second, updates;
  std::vector<double> rates, decays;
  for (const UpdatedTensors& row : weights) {
    values.push_back(row.weight);
    gradients.push_back(row.gradient);
    first.push_back(row.first);
    rates.push_back(row.rate);
    decays.push_back(row.decay);
    if (!rule.is_adamw) continue;
    second.push_back(row.second);
    updates.push_back(row.updates);
  }
  static const auto op = FindOperator<decltype(UpdateOnCpu)>(kName);
  const auto [norm, finite] = op.call(values, gradients, first, second, updates, rates, decays,
                                      rule.is_adamw, rule.momentum, rule.rate_inside, rule.beta1,
                                      rule.beta2, rule.epsilon, options.batches, options.max_norm,
                                      IfDefined(options.loss_scale), IfDefined(options.allowed));
  return {norm, finite};
}

}  // namespace rcnn::ops

#include "rcnn/ops/cuda/weight_update.h"

#include <ATen/ops/empty.h>
#include <torch/library.h>

#include <cstring>
#include <tuple>

#include "rcnn/ops/cuda/registration.h"
#include "rcnn/ops/weight_update_table.h"

namespace rcnn::ops {
namespace {

// The rows and chunks in the memory of the GPU. The copy is queued: its source is pinned memory,
// which LibTorch reuses only once the copy is done.
at::Tensor Upload(const WeightUpdateTable& table, const c10::Device& device) {
  const size_t rows = table.weights.size() * sizeof(UpdatedWeight);
  const size_t chunks = table.chunks.size() * sizeof(UpdateChunk);
  const at::Tensor pinned = at::empty({static_cast<int64_t>(rows + chunks)},
                                      at::TensorOptions(at::kByte).pinned_memory(true));
  auto* const to = pinned.data_ptr<uint8_t>();
  std::memcpy(to, table.weights.data(), rows);
  if (chunks > 0) std::memcpy(to + rows, table.chunks.data(), chunks);
  return pinned.to(device, /*non_blocking=*/true);
}

void SetTable(const WeightUpdateTable& table, const at::Tensor& memory, WeightUpdate* update) {
  const uint8_t* const from = memory.data_ptr<uint8_t>();
  update->num_weights = static_cast<int64_t>(table.weights.size());
  update->weights = reinterpret_cast<const UpdatedWeight*>(from);
  update->num_chunks = static_cast<int64_t>(table.chunks.size());
  update->chunks =
      reinterpret_cast<const UpdateChunk*>(from + table.weights.size() * sizeof(UpdatedWeight));
}

std::tuple<at::Tensor, at::Tensor> UpdateOnCuda(
    at::TensorList weights, at::TensorList gradients, at::TensorList first, at::TensorList second,
    at::TensorList updates, at::ArrayRef<double> rates, at::ArrayRef<double> decays, bool adamw,
    double momentum, bool rate_inside, double beta1, double beta2, double epsilon, int64_t batches,
    double max_norm, const c10::optional<at::Tensor>& loss_scale,
    const c10::optional<at::Tensor>& allowed) {
  const WeightUpdateTable table =
      MakeWeightUpdateTable(weights, gradients, first, second, updates, rates, decays);
  const c10::cuda::CUDAGuard guard(weights[0].device());
  const at::Tensor memory = Upload(table, weights[0].device());
  const at::Tensor norm = at::empty({}, weights[0].options().dtype(at::kDouble));
  const at::Tensor finite = at::empty({}, weights[0].options().dtype(at::kBool));
  WeightUpdate update{};
  update.rule = {adamw, momentum, rate_inside, beta1, beta2, epsilon};
  update.batches = batches;
  update.max_norm = max_norm;
  update.loss_scale = LossScaleData(loss_scale, weights[0]);
  update.allowed = AllowedData(allowed, weights[0]);
  update.norm = norm.data_ptr<double>();
  update.finite = finite.data_ptr<bool>();
  SetTable(table, memory, &update);
  Workspace workspace;
  workspace.Add(&update.squares, update.num_chunks);
  workspace.Add(&update.decision, 1);
  const at::Tensor scratch = workspace.Allocate(weights[0]);
  CheckLaunch(LaunchWeightUpdate(update, CurrentStream()), "_update_weights");
  return {norm, finite};
}

TORCH_LIBRARY_IMPL(rcnn, CUDA, m) { m.impl("_update_weights", &UpdateOnCuda); }

}  // namespace
}  // namespace rcnn::ops

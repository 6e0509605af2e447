#include "rcnn/ops/weight_update_table.h"

#include <c10/util/Exception.h>

#include <cstdint>
#include <limits>

#include "rcnn/ops/tensor_layout.h"

namespace rcnn::ops {
namespace {

void CheckLength(size_t length, size_t expected, const char* name) {
  TORCH_CHECK(length == expected, name, ": expected ", expected, ", got ", length);
}

// `like` is a weight.
float* Data(const at::Tensor& tensor, const at::Tensor& like, const char* name, size_t row) {
  TORCH_CHECK(tensor.scalar_type() == at::kFloat && tensor.device() == like.device() &&
                  HaveSameLayout(tensor, like),
              name, ": row ", row, ": expected float32 ", like.sizes(), " with strides ",
              like.strides(), " on ", like.device(), ", got ", tensor.scalar_type(), " ",
              tensor.sizes(), " with strides ", tensor.strides(), " on ", tensor.device());
  return tensor.data_ptr<float>();
}

template <typename T>
T* ScalarData(const at::Tensor& tensor, at::ScalarType type, const at::Tensor& weight,
              const char* name) {
  TORCH_CHECK(
      tensor.scalar_type() == type && tensor.numel() == 1 && tensor.device() == weight.device(),
      name, ": expected one ", type, " on ", weight.device(), ", got ", tensor.scalar_type(), " ",
      tensor.sizes(), " on ", tensor.device());
  return tensor.data_ptr<T>();
}

void AddChunks(int32_t weight, int64_t count, std::vector<UpdateChunk>& chunks) {
  TORCH_CHECK(count / kUpdateChunk < std::numeric_limits<int32_t>::max(), "weights: row ", weight,
              ": too many elements: ", count);
  for (int32_t c = 0; int64_t{c} * kUpdateChunk < count; ++c) chunks.push_back({weight, c});
}

}  // namespace

WeightUpdateTable MakeWeightUpdateTable(at::TensorList weights, at::TensorList gradients,
                                        at::TensorList first, at::TensorList second,
                                        at::TensorList updates, at::ArrayRef<double> rates,
                                        at::ArrayRef<double> decays) {
  const size_t count = weights.size();
  TORCH_CHECK(count > 0, "weights: expected at least one");
  CheckLength(gradients.size(), count, "gradients");
  CheckLength(first.size(), count, "first");
  CheckLength(rates.size(), count, "rates");
  CheckLength(decays.size(), count, "decays");
  if (!second.empty()) CheckLength(second.size(), count, "second");
  CheckLength(updates.size(), second.size(), "updates");
  WeightUpdateTable table;
  for (size_t i = 0; i < count; ++i) {
    const at::Tensor& like = weights[i];
    TORCH_CHECK(like.is_non_overlapping_and_dense(), "weights: row ", i, ": not dense");
    TORCH_CHECK(like.device() == weights[0].device(), "weights: row ", i, " is on ", like.device(),
                ", not on ", weights[0].device());
    UpdatedWeight row{};
    row.weight = Data(like, like, "weights", i);
    row.gradient = Data(gradients[i], like, "gradients", i);
    row.first = Data(first[i], like, "first", i);
    if (!second.empty()) {
      row.second = Data(second[i], like, "second", i);
      row.updates = ScalarData<int64_t>(updates[i], at::kLong, like, "updates");
    }
    row.count = like.numel();
    row.rate = rates[i];
    row.decay = decays[i];
    table.weights.push_back(row);
    AddChunks(static_cast<int32_t>(i), row.count, table.chunks);
  }
  return table;
}

const float* LossScaleData(const c10::optional<at::Tensor>& loss_scale, const at::Tensor& weight) {
  if (!loss_scale.has_value() || !loss_scale->defined()) return nullptr;
  return ScalarData<float>(*loss_scale, at::kFloat, weight, "loss_scale");
}

const bool* AllowedData(const c10::optional<at::Tensor>& allowed, const at::Tensor& weight) {
  if (!allowed.has_value() || !allowed->defined()) return nullptr;
  return ScalarData<bool>(*allowed, at::kBool, weight, "allowed");
}

}  // namespace rcnn::ops

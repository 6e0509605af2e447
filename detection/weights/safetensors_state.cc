#include "rcnn/detection/weights/safetensors_state.h"

#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "rcnn/base/safetensors.h"
#include "rcnn/base/safetensors_writer.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/detection/weights/borrowed_tensor.h"

namespace rcnn::detection::weights {
namespace {

constexpr std::pair<SafetensorsType, at::ScalarType> kTypes[] = {
    {SafetensorsType::kBool, at::kBool}, {SafetensorsType::kU8, at::kByte},
    {SafetensorsType::kI8, at::kChar},   {SafetensorsType::kI16, at::kShort},
    {SafetensorsType::kI32, at::kInt},   {SafetensorsType::kI64, at::kLong},
    {SafetensorsType::kF16, at::kHalf},  {SafetensorsType::kBF16, at::kBFloat16},
    {SafetensorsType::kF32, at::kFloat}, {SafetensorsType::kF64, at::kDouble}};

std::optional<at::ScalarType> TensorType(SafetensorsType type) {
  for (const auto& [theirs, ours] : kTypes) {
    if (theirs == type) return ours;
  }
  return std::nullopt;
}

std::optional<SafetensorsType> FileType(at::ScalarType type) {
  for (const auto& [theirs, ours] : kTypes) {
    if (ours == type) return theirs;
  }
  return std::nullopt;
}

absl::StatusOr<at::Tensor> ToTensor(const SafetensorsArray& array,
                                    const std::shared_ptr<const void>& owner) {
  const std::optional<at::ScalarType> type = TensorType(array.spec.type);
  if (!type.has_value()) {
    return absl::UnimplementedError(absl::StrCat("tensor '", array.spec.name, "' is of type ",
                                                 SafetensorsTypeName(array.spec.type)));
  }
  const std::vector<int64_t> strides = ContiguousStrides(array.spec.shape);
  if (IsAligned(array.bytes.data(), *type)) {
    return BorrowedTensor(array.bytes.data(), array.spec.shape, strides, *type, owner);
  }
  const auto copy = std::make_shared<std::vector<double>>(array.bytes.size() / 8 + 1);
  std::memcpy(copy->data(), array.bytes.data(), array.bytes.size());
  return BorrowedTensor(copy->data(), array.spec.shape, strides, *type, copy);
}

absl::StatusOr<std::vector<SafetensorsSpec>> Specs(const StateDict& state) {
  std::vector<SafetensorsSpec> specs;
  for (const StateDict::Entry& entry : state) {
    const std::optional<SafetensorsType> type = FileType(entry.tensor.scalar_type());
    if (!type.has_value() || entry.tensor.layout() != at::kStrided) {
      return absl::UnimplementedError(
          absl::StrCat("tensor '", entry.name, "' is ", entry.tensor.toString()));
    }
    specs.push_back({entry.name, *type, entry.tensor.sizes().vec()});
  }
  return specs;
}

}  // namespace

absl::StatusOr<StateDict> ReadSafetensors(absl::string_view bytes,
                                          const std::shared_ptr<const void>& owner) {
  RCNN_ASSIGN_OR_RETURN(const SafetensorsView view, SafetensorsView::Parse(bytes));
  StateDict state;
  state.metadata() = view.metadata();
  for (const SafetensorsArray& array : view.arrays()) {
    RCNN_ASSIGN_OR_RETURN(at::Tensor tensor, ToTensor(array, owner));
    state.Add(array.spec.name, std::move(tensor));
  }
  return state;
}

absl::Status WriteSafetensorsState(const StateDict& state, const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(std::vector<SafetensorsSpec> specs, Specs(state), path);
  RCNN_ASSIGN_OR_RETURN(SafetensorsWriter writer,
                        SafetensorsWriter::Create(path, std::move(specs), state.metadata()));
  for (const SafetensorsSpec& spec : writer.specs()) {
    const at::Tensor tensor = state.Find(spec.name)->detach().cpu().contiguous();
    const absl::string_view bytes(static_cast<const char*>(tensor.data_ptr()), tensor.nbytes());
    RCNN_RETURN_IF_ERROR(writer.Append(spec.name, bytes));
  }
  return writer.Commit().status();
}

}  // namespace rcnn::detection::weights

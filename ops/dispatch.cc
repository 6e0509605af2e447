#include "rcnn/ops/dispatch.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/stack.h>

#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace rcnn::ops {
namespace {

// Warns once per operator and device type that tensors are copied.
void WarnOnce(const c10::OperatorHandle& op, const at::Device& device) {
  static std::mutex mutex;
  static auto* const warned = new std::set<std::string>();
  const std::string text = c10::str(op.schema().name(), " has no kernel for ",
                                    c10::DeviceTypeName(device.type(), /*lower_case=*/true));
  const std::lock_guard<std::mutex> lock(mutex);
  if (!warned->insert(text).second) return;
  TORCH_WARN(text, ": its tensors are copied to the CPU and back, which waits for the device");
}

void NoteDevice(const at::Tensor& tensor, std::optional<at::Device>* device) {
  if (tensor.defined() && !tensor.is_cpu() && !device->has_value()) *device = tensor.device();
}

// Returns `value` with its tensors on the CPU, and stores the first other device in `device`.
c10::IValue OnCpu(const c10::IValue& value, std::optional<at::Device>* device) {
  if (value.isTensor()) {
    NoteDevice(value.toTensor(), device);
    return value.toTensor().defined() ? value.toTensor().cpu() : value;
  }
  if (!value.isTensorList()) return value;
  std::vector<at::Tensor> tensors = value.toTensorVector();
  for (at::Tensor& tensor : tensors) {
    NoteDevice(tensor, device);
    tensor = tensor.cpu();
  }
  return tensors;
}

c10::IValue OnDevice(const c10::IValue& value, const at::Device& device) {
  if (value.isTensor() && value.toTensor().defined()) return value.toTensor().to(device);
  if (!value.isTensorList()) return value;
  std::vector<at::Tensor> tensors = value.toTensorVector();
  for (at::Tensor& tensor : tensors) tensor = tensor.to(device);
  return tensors;
}

// The dispatcher also calls the fallback if no argument is a defined tensor.
[[noreturn]] void ThrowUndefined(const c10::OperatorHandle& op, const torch::jit::Stack& stack) {
  const std::vector<c10::Argument>& arguments = op.schema().arguments();
  for (size_t i = 0; i < arguments.size(); ++i) {
    const c10::IValue& value = stack[stack.size() - arguments.size() + i];
    TORCH_CHECK(!value.isTensor() || value.toTensor().defined(), arguments[i].name(),
                ": is an undefined tensor");
  }
  TORCH_CHECK(false, op.schema().name(), ": expected at least one tensor");
}

void CopyToCpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const size_t arguments = op.schema().arguments().size();
  std::optional<at::Device> device;
  for (size_t i = stack->size() - arguments; i < stack->size(); ++i) {
    (*stack)[i] = OnCpu((*stack)[i], &device);
  }
  if (!device.has_value()) ThrowUndefined(op, *stack);
  WarnOnce(op, *device);
  op.callBoxed(stack);
  const size_t results = op.schema().returns().size();
  for (size_t i = stack->size() - results; i < stack->size(); ++i) {
    (*stack)[i] = OnDevice((*stack)[i], *device);
  }
}

at::Tensor AsFloat32(const at::Tensor& tensor) {
  const bool is_short = tensor.defined() && (tensor.scalar_type() == at::kHalf ||
                                             tensor.scalar_type() == at::kBFloat16);
  return is_short ? tensor.to(at::kFloat) : tensor;
}

// Calls `op` without autocast, with its arguments from `first` on in float32.
void CallInFloat32(const c10::OperatorHandle& op, torch::jit::Stack* stack, size_t first) {
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  const size_t begin = stack->size() - op.schema().arguments().size();
  for (size_t i = begin + first; i < stack->size(); ++i) {
    c10::IValue& value = (*stack)[i];
    if (value.isTensor()) {
      value = AsFloat32(value.toTensor());
    } else if (value.isTensorList()) {
      std::vector<at::Tensor> tensors = value.toTensorVector();
      for (at::Tensor& tensor : tensors) tensor = AsFloat32(tensor);
      value = std::move(tensors);
    }
  }
  op.callBoxed(stack);
}

void ComputeInFloat32(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  CallInFloat32(op, stack, 0);
}

bool IsOfOneType(const c10::IValue& maps) {
  if (!maps.isTensorList()) return true;
  const std::vector<at::Tensor> tensors = maps.toTensorVector();
  for (const at::Tensor& tensor : tensors) {
    if (tensor.scalar_type() != tensors.front().scalar_type()) return false;
  }
  return true;
}

// Without that kernel tensors are copied to the CPU, whose kernel does not take float16.
bool HasRoiAlignOnCuda() {
  const auto op = c10::Dispatcher::singleton().findSchema({"rcnn::_roi_align_levels", ""});
  return op.has_value() && op->hasKernelForDispatchKey(c10::DispatchKey::CUDA);
}

void ReadMaps(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const c10::IValue& maps = (*stack)[stack->size() - op.schema().arguments().size()];
  CallInFloat32(op, stack, HasRoiAlignOnCuda() && IsOfOneType(maps) ? 1 : 0);
}

torch::CppFunction AutocastFunction(c10::DispatchKey key, AutocastRule rule) {
  if (rule == AutocastRule::kReadsMaps && key == c10::DispatchKey::AutocastCUDA) {
    return torch::CppFunction::makeFromBoxedFunction<ReadMaps>();
  }
  return torch::CppFunction::makeFromBoxedFunction<ComputeInFloat32>();
}

}  // namespace

std::string OperatorName(const char* schema) {
  const std::string text = schema;
  return text.substr(0, text.find('('));
}

void RegisterFallback(torch::Library& library, const std::string& name) {
  library.impl(name.c_str(),
               torch::dispatch(c10::DispatchKey::CompositeExplicitAutograd,
                               torch::CppFunction::makeFromBoxedFunction<CopyToCpu>()));
}

void RegisterAutocast(torch::Library& library, const std::string& name, AutocastRule rule) {
  for (const c10::DispatchKey key :
       {c10::DispatchKey::AutocastCPU, c10::DispatchKey::AutocastCUDA}) {
    library.impl(name.c_str(), torch::dispatch(key, AutocastFunction(key, rule)));
  }
}

}  // namespace rcnn::ops

// One boxed kernel serves all operators: arguments become tensors of the CPU with the same memory,
// the operator runs there, and results become tensors of the device with the memory of the CPU's.
// A result that the schema says is an argument (in place, or out) is that argument. So views share
// memory with their base, and autograd, which is above all this, sees a device like any other.

#include "rcnn/ops/testing/queue_device.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>
#include <c10/core/Stream.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "rcnn/base/libtorch_version.h"

#if RCNN_LIBTORCH_2

#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/detail/XPUHooksInterface.h>

// LibTorch 2 asks the machine's accelerator, which this device is then, for the stream on which
// gradients are added up. It allows one accelerator, and asks for it in every backward pass, also
// on the CPU: where it is built for CUDA, this device is none.
namespace at {
namespace {

struct QueueDeviceHooks final : public XPUHooksInterface {
  explicit QueueDeviceHooks(XPUHooksArgs) {}
  void init() const override {}
  bool isBuilt() const override { return !detail::getCUDAHooks().isBuilt(); }
  bool isAvailable() const override { return true; }
  bool hasXPU() const override { return true; }
  std::string showConfig() const override { return "a fake device\n"; }
  bool hasPrimaryContext(DeviceIndex) const override { return true; }
  DeviceIndex deviceCount() const override { return 1; }
  DeviceIndex getNumGPUs() const override { return 1; }
  DeviceIndex getCurrentDevice() const override { return 0; }
  DeviceIndex current_device() const override { return 0; }
};

C10_REGISTER_CLASS(XPUHooksRegistry, XPUHooks, QueueDeviceHooks)

}  // namespace
}  // namespace at

#endif

namespace rcnn::ops::testing {
namespace {

// All streams do everything at once, so that events are nothing.
struct Guard final : public c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return c10::DeviceType::XPU; }
  c10::Device exchangeDevice(c10::Device) const override { return QueueDevice(); }
  c10::Device getDevice() const override { return QueueDevice(); }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }

  c10::Stream getStream(c10::Device) const noexcept override { return MakeStream(0); }
  c10::Stream getDefaultStream(c10::Device) const override { return MakeStream(0); }
  c10::Stream getStreamFromGlobalPool(c10::Device, bool) const override { return MakeStream(1); }
  c10::Stream exchangeStream(c10::Stream) const noexcept override { return MakeStream(0); }
  void record(void**, const c10::Stream&, const c10::DeviceIndex,
              const c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  bool queryEvent(void*) const override { return true; }
  void destroyEvent(void*, const c10::DeviceIndex) const noexcept override {}

 private:
  static c10::Stream MakeStream(c10::StreamId id) {
    return c10::Stream(c10::Stream::UNSAFE, QueueDevice(), id);
  }
};

C10_REGISTER_GUARD_IMPL(XPU, Guard);

std::mutex& Mutex() {
  static auto* const mutex = new std::mutex();
  return *mutex;
}

std::vector<std::string>& Noted() {
  static auto* const noted = new std::vector<std::string>();
  return *noted;
}

void NoteWait(const std::string& what) {
  const std::lock_guard<std::mutex> lock(Mutex());
  Noted().push_back(what);
}

bool IsHere(const at::Tensor& tensor) {
  return tensor.defined() && tensor.device().type() == c10::DeviceType::XPU;
}

void Release(void* tensor) { delete static_cast<at::Tensor*>(tensor); }

// Memory of a tensor of the CPU, for a tensor of the device.
c10::Storage ShareStorage(const at::Tensor& cpu) {
  int64_t elements = cpu.numel() == 0 ? 0 : 1;
  for (int64_t d = 0; cpu.numel() > 0 && d < cpu.dim(); ++d) {
    elements += (cpu.size(d) - 1) * cpu.stride(d);
  }
  auto* const owner = new at::Tensor(cpu);
  return c10::Storage(c10::Storage::use_byte_size_t(),
                      static_cast<int64_t>(static_cast<size_t>(elements) * cpu.element_size()),
                      c10::DataPtr(cpu.data_ptr(), owner, &Release, QueueDevice()),
                      /*allocator=*/nullptr, /*resizable=*/false);
}

at::Tensor ToDevice(const at::Tensor& cpu) {
  if (!cpu.defined() || IsHere(cpu)) return cpu;
  at::Tensor tensor = at::detail::make_tensor<c10::TensorImpl>(
      ShareStorage(cpu), c10::DispatchKeySet(c10::DispatchKey::XPU), cpu.dtype());
  tensor.unsafeGetTensorImpl()->set_sizes_and_strides(cpu.sizes(), cpu.strides());
  return tensor;
}

// The same memory as a tensor of the CPU, which keeps it.
at::Tensor ToCpu(const at::Tensor& tensor) {
  if (!IsHere(tensor)) return tensor;
  const at::TensorOptions options(tensor.scalar_type());
  // Such a tensor can be resized: operators that write to an `out` do so.
  if (tensor.numel() == 0) return at::empty(tensor.sizes(), options);
  return at::from_blob(
      tensor.data_ptr(), tensor.sizes(), tensor.strides(), [tensor](void*) {}, options);
}

// An `out` of another shape has that of what was written, and its memory if it was empty; a resized
// one that was not has become smaller, in place.
void TakeShape(const at::Tensor& written, const at::Tensor& out) {
  if (out.sizes() == written.sizes()) return;
  at::TensorImpl* const impl = out.unsafeGetTensorImpl();
  if (out.numel() == 0) impl->set_storage_keep_dtype(ShareStorage(written));
  impl->set_sizes_and_strides(written.sizes(), written.strides());
}

c10::IValue OnCpu(const c10::IValue& value) {
  if (value.isTensor()) return ToCpu(value.toTensor());
  if (value.isDevice() && value.toDevice().type() == c10::DeviceType::XPU) {
    return c10::Device(c10::DeviceType::CPU);
  }
  if (value.isTensorList()) {
    std::vector<at::Tensor> tensors = value.toTensorVector();
    for (at::Tensor& tensor : tensors) tensor = ToCpu(tensor);
    return tensors;
  }
  if (!value.isOptionalTensorList()) return value;
  c10::List<c10::optional<at::Tensor>> tensors;
  for (const c10::optional<at::Tensor>& tensor : value.toOptionalTensorVector()) {
    tensors.push_back(tensor ? c10::optional<at::Tensor>(ToCpu(*tensor)) : c10::nullopt);
  }
  return tensors;
}

c10::IValue OnDevice(const c10::IValue& value) {
  if (value.isTensor()) return ToDevice(value.toTensor());
  if (!value.isTensorList()) return value;
  std::vector<at::Tensor> tensors = value.toTensorVector();
  for (at::Tensor& tensor : tensors) tensor = ToDevice(tensor);
  return tensors;
}

bool HasMask(const c10::IValue& value) {
  if (!value.isOptionalTensorList()) return false;
  for (const c10::optional<at::Tensor>& index : value.toOptionalTensorVector()) {
    if (index && index->defined() &&
        (index->scalar_type() == at::kBool || index->scalar_type() == at::kByte)) {
      return true;
    }
  }
  return false;
}

// Results that are numbers, or whose number depends on values.
bool DependsOnValues(const c10::FunctionSchema& schema, at::ArrayRef<c10::IValue> arguments) {
  static const auto* const names = new std::set<std::string>(
      {"aten::nonzero", "aten::masked_select", "aten::_unique", "aten::_unique2",
       "aten::unique_dim", "aten::unique_consecutive", "aten::bincount"});
  if (names->count(schema.name()) > 0) return true;
  if (schema.name() == "aten::repeat_interleave" && schema.overload_name() == "Tensor") return true;
  for (const c10::Argument& result : schema.returns()) {
    const auto kind = result.type()->kind();
    if (kind != c10::TypeKind::TensorType && kind != c10::TypeKind::ListType) return true;
  }
  for (const c10::IValue& argument : arguments) {
    if (HasMask(argument)) return true;
  }
  return false;
}

// The argument that a result is by the schema, or -1.
int64_t WrittenArgument(const c10::FunctionSchema& schema, const c10::Argument& result) {
  if (result.alias_info() == nullptr || !result.alias_info()->isWrite()) return -1;
  for (size_t i = 0; i < schema.arguments().size(); ++i) {
    const c10::AliasInfo* const alias = schema.arguments()[i].alias_info();
    if (alias != nullptr && alias->beforeSets() == result.alias_info()->beforeSets()) {
      return static_cast<int64_t>(i);
    }
  }
  return -1;
}

// Runs `op` on the CPU with the arguments of `schema` on the stack.
void RunOnCpu(const c10::OperatorHandle& op, const c10::FunctionSchema& schema,
              torch::jit::Stack* stack) {
  const size_t count = schema.arguments().size();
  const std::vector<c10::IValue> arguments(stack->end() - static_cast<int64_t>(count),
                                           stack->end());
  if (DependsOnValues(schema, arguments)) NoteWait(schema.name());
  std::vector<c10::IValue> inputs;
  for (const c10::IValue& argument : arguments) inputs.push_back(OnCpu(argument));
  stack->resize(stack->size() - count);
  stack->insert(stack->end(), inputs.begin(), inputs.end());
  op.callBoxed(stack);
  const size_t first = stack->size() - schema.returns().size();
  for (size_t i = 0; i < schema.returns().size(); ++i) {
    c10::IValue& result = (*stack)[first + i];
    const int64_t written = WrittenArgument(schema, schema.returns()[i]);
    if (written < 0) {
      result = OnDevice(result);
      continue;
    }
    const c10::IValue& argument = arguments[static_cast<size_t>(written)];
    if (argument.isTensor()) TakeShape(result.toTensor(), argument.toTensor());
    result = argument;
  }
}

void RunAny(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  RunOnCpu(op, op.schema(), stack);
}

c10::OperatorHandle FindAten(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "");
}

// Convolutions of devices without kernels of their own: the same arguments.
void RunConvolution(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  RunOnCpu(FindAten("aten::convolution"), op.schema(), stack);
}

// aten::convolution_backward also takes the sizes of the bias, after the weight.
void RunConvolutionBackward(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const auto first = stack->end() - static_cast<int64_t>(op.schema().arguments().size());
  const at::Tensor weight = (first + 2)->toTensor();
  stack->insert(first + 3, c10::IValue(std::vector<int64_t>{weight.size(0)}));
  const c10::OperatorHandle backward = FindAten("aten::convolution_backward");
  RunOnCpu(backward, backward.schema(), stack);
}

at::Tensor EmptyStrided(at::IntArrayRef sizes, at::IntArrayRef strides,
                        c10::optional<at::ScalarType> dtype, c10::optional<at::Layout>,
                        c10::optional<at::Device>, c10::optional<bool>) {
  return ToDevice(at::empty_strided(sizes, strides, dtype.value_or(at::kFloat)));
}

at::Tensor Empty(at::IntArrayRef sizes, c10::optional<at::ScalarType> dtype,
                 c10::optional<at::Layout>, c10::optional<at::Device>, c10::optional<bool>,
                 c10::optional<at::MemoryFormat> format) {
  return ToDevice(at::empty(sizes, at::TensorOptions(dtype.value_or(at::kFloat)),
                            format.value_or(at::MemoryFormat::Contiguous)));
}

at::Tensor& Copy(at::Tensor& to, const at::Tensor& from, bool non_blocking) {
  if (!IsHere(to)) NoteWait("copy to the CPU");
  if (!IsHere(from) && !non_blocking) NoteWait("copy to the device that blocks");
  ToCpu(to).copy_(ToCpu(from));
  return to;
}

void RecordStream(at::Tensor&, c10::Stream) {}

TORCH_LIBRARY_IMPL(_, XPU, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&RunAny>()); }

TORCH_LIBRARY_IMPL(aten, XPU, m) {
  m.impl("empty.memory_format", &Empty);
  m.impl("empty_strided", &EmptyStrided);
  m.impl("copy_", &Copy);
  m.impl("record_stream", &RecordStream);
  // LibTorch's kernel for all devices gives `out` the shape of the elements, then that of the sum,
  // and lets the device's own kernel do so again: from_blob's memory does not grow.
  m.impl("smooth_l1_loss", torch::CppFunction::makeFromBoxedFunction<&RunAny>());
  m.impl("convolution_overrideable", torch::CppFunction::makeFromBoxedFunction<&RunConvolution>());
  m.impl("convolution_backward_overrideable",
         torch::CppFunction::makeFromBoxedFunction<&RunConvolutionBackward>());
}

// Those with a kernel for CUDA that waits for nothing (docs/gpu.md).
TORCH_LIBRARY_IMPL(rcnn, XPU, m) {
  for (const char* name : {"box_iou",
                           "box_intersection_over_area",
                           "_clip_boxes",
                           "place_anchors",
                           "match_boxes",
                           "match_batch",
                           "encode_boxes",
                           "decode_boxes",
                           "_encode_boxes_backward",
                           "_decode_boxes_backward",
                           "counted_nms",
                           "counted_batched_nms",
                           "counted_proposals",
                           "counted_detections",
                           "sample_by_counters",
                           "random_mask",
                           "preprocess",
                           "preprocess_batch",
                           "_roi_align_levels",
                           "_roi_align_levels_backward",
                           "_roi_pool",
                           "_roi_pool_backward",
                           "_sampled_rpn_loss",
                           "_sampled_fast_rcnn_loss"}) {
    m.impl(name, torch::CppFunction::makeFromBoxedFunction<&RunAny>());
  }
}

}  // namespace

std::vector<std::string> TakeWaits() {
  const std::lock_guard<std::mutex> lock(Mutex());
  return std::exchange(Noted(), {});
}

}  // namespace rcnn::ops::testing

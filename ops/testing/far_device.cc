#include "rcnn/ops/testing/far_device.h"

#include <ATen/ATen.h>
#include <c10/core/Stream.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace rcnn::ops::testing {
namespace {

struct Streams {
  c10::StreamId current = 0;
  std::vector<std::string> log;
};

Streams& StreamsOfThread() {
  static thread_local Streams streams;
  return streams;
}

void Log(const std::string& text) { StreamsOfThread().log.push_back(text); }

std::string Name(const c10::Stream& stream) { return std::to_string(stream.id()); }

c10::Stream MakeStream(c10::StreamId id) {
  return c10::Stream(c10::Stream::UNSAFE, FarDevice(), id);
}

// An event is the number of its stream, plus 1.
struct Guard final : public c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return c10::DeviceType::PrivateUse1; }
  c10::Device exchangeDevice(c10::Device) const override { return FarDevice(); }
  c10::Device getDevice() const override { return FarDevice(); }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }

  c10::Stream getStream(c10::Device) const noexcept override {
    return MakeStream(StreamsOfThread().current);
  }
  c10::Stream getDefaultStream(c10::Device) const override { return MakeStream(0); }
  c10::Stream getStreamFromGlobalPool(c10::Device, bool) const override { return MakeStream(1); }
  c10::Stream exchangeStream(c10::Stream stream) const noexcept override {
    return MakeStream(std::exchange(StreamsOfThread().current, stream.id()));
  }

  void record(void** event, const c10::Stream& stream, const c10::DeviceIndex,
              const c10::EventFlag) const override {
    *event = reinterpret_cast<void*>(static_cast<intptr_t>(stream.id() + 1));
    Log("record on " + Name(stream));
  }
  void block(void* event, const c10::Stream& stream) const override {
    const auto recorded = reinterpret_cast<intptr_t>(event) - 1;
    Log(Name(stream) + " waits for " + std::to_string(recorded));
  }
  bool queryEvent(void*) const override { return true; }
  bool queryStream(const c10::Stream&) const override { return true; }
  void synchronizeStream(const c10::Stream&) const override {}
};

C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);

void Delete(void* memory) { delete[] static_cast<char*>(memory); }

c10::Storage Allocate(size_t bytes) {
  char* const memory = new char[bytes];
  return c10::Storage(c10::Storage::use_byte_size_t(), static_cast<int64_t>(bytes),
                      c10::DataPtr(memory, memory, &Delete, FarDevice()), /*allocator=*/nullptr,
                      /*resizable=*/false);
}

at::Tensor EmptyStrided(at::IntArrayRef sizes, at::IntArrayRef strides,
                        c10::optional<at::ScalarType> dtype, c10::optional<at::Layout>,
                        c10::optional<at::Device>, c10::optional<bool>) {
  const caffe2::TypeMeta type = c10::scalarTypeToTypeMeta(dtype.value_or(at::kFloat));
  int64_t elements = 1;
  for (size_t i = 0; i < sizes.size(); ++i) {
    elements = sizes[i] == 0 ? 0 : elements + (sizes[i] - 1) * strides[i];
    if (elements == 0) break;
  }
  at::Tensor tensor = at::detail::make_tensor<c10::TensorImpl>(
      Allocate(static_cast<size_t>(elements) * type.itemsize()),
      c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), type);
  tensor.unsafeGetTensorImpl()->set_sizes_and_strides(sizes, strides);
  return tensor;
}

at::Tensor Empty(at::IntArrayRef sizes, c10::optional<at::ScalarType> dtype,
                 c10::optional<at::Layout> layout, c10::optional<at::Device> device,
                 c10::optional<bool> pin, c10::optional<at::MemoryFormat> format) {
  const at::Tensor like = at::empty(sizes, at::TensorOptions(at::kMeta).memory_format(
                                               format.value_or(at::MemoryFormat::Contiguous)));
  return EmptyStrided(sizes, like.strides(), dtype, layout, device, pin);
}

// The same memory as a tensor of the CPU.
at::Tensor AsCpu(const at::Tensor& tensor) {
  if (tensor.is_cpu()) return tensor;
  return at::from_blob(tensor.data_ptr(), tensor.sizes(), tensor.strides(),
                       at::TensorOptions(tensor.scalar_type()));
}

at::Tensor& Copy(at::Tensor& to, const at::Tensor& from, bool) {
  Log("copy on " + std::to_string(StreamsOfThread().current));
  at::Tensor target = AsCpu(to);
  target.copy_(AsCpu(from));
  return to;
}

void RecordStream(at::Tensor&, c10::Stream stream) { Log(Name(stream) + " uses a tensor"); }

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", &Empty);
  m.impl("empty_strided", &EmptyStrided);
  m.impl("copy_", &Copy);
  m.impl("record_stream", &RecordStream);
}

}  // namespace

std::vector<std::string> TakeFarStreamLog() { return std::exchange(StreamsOfThread().log, {}); }

}  // namespace rcnn::ops::testing

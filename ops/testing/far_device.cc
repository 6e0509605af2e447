#include "rcnn/ops/testing/far_device.h"

#include <ATen/ATen.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <memory>
#include <utility>
#include <vector>

namespace rcnn::ops::testing {
namespace {

C10_REGISTER_GUARD_IMPL(PrivateUse1, c10::impl::NoOpDeviceGuardImpl<c10::DeviceType::PrivateUse1>);

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
  at::Tensor target = AsCpu(to);
  target.copy_(AsCpu(from));
  return to;
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", &Empty);
  m.impl("empty_strided", &EmptyStrided);
  m.impl("copy_", &Copy);
}

}  // namespace
}  // namespace rcnn::ops::testing

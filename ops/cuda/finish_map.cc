#include "rcnn/ops/finish_map.h"

#include <ATen/core/Tensor.h>

#include "rcnn/ops/cuda/finish_map.h"
#include "rcnn/ops/cuda/registration.h"
#include "rcnn/ops/cuda/roi_tensors.h"

namespace rcnn::ops {
namespace {

void FinishOnCuda(const at::Tensor& map, const at::Tensor& bias, const at::Tensor& add, bool relu) {
  const c10::cuda::CUDAGuard guard(map.device());
  const at::Tensor biases = bias.detach().to(SumDtype(map.scalar_type())).contiguous();
  DispatchWithHalf(map.scalar_type(), "finish_map", [&](auto element) {
    using T = decltype(element);
    FinishWork<T> work{};
    work.count = map.numel();
    work.channels = map.size(1);
    work.bias = biases.data_ptr<typename ElementSum<T>::type>();
    work.add = add.defined() ? static_cast<const T*>(add.data_ptr()) : nullptr;
    work.relu = relu;
    work.map = static_cast<T*>(map.data_ptr());
    CheckLaunch(LaunchFinishMap(work, CurrentStream()), "finish_map");
  });
}

constexpr MapFinisher kFinisher = {c10::DeviceType::CUDA, &FinishOnCuda};
[[maybe_unused]] const bool kRegistered = SetMapFinisher(&kFinisher);

}  // namespace
}  // namespace rcnn::ops

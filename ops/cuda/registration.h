// What the registrations share: the current stream, scratch memory, and errors of launches.
//
// For a use see nms.cc, which --config=cuda compiles.

#ifndef RCNN_OPS_CUDA_REGISTRATION_H_
#define RCNN_OPS_CUDA_REGISTRATION_H_

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace rcnn::ops {

inline cudaStream_t CurrentStream() { return c10::cuda::getCurrentCUDAStream().stream(); }

inline void CheckLaunch(cudaError_t error, const char* op) {
  TORCH_CHECK(error == cudaSuccess, op, ": a launch failed: ", cudaGetErrorString(error));
}

// Arrays of scratch memory in one allocation.
class Workspace {
 public:
  // Has Allocate set `*pointer` to `count` elements.
  template <typename T>
  void Add(T** pointer, int64_t count) {
    const int64_t offset = bytes_;
    setters_.push_back(
        [pointer, offset](uint8_t* memory) { *pointer = reinterpret_cast<T*>(memory + offset); });
    constexpr int64_t kAlignment = 256;
    bytes_ += (count * static_cast<int64_t>(sizeof(T)) + kAlignment - 1) / kAlignment * kAlignment;
  }

  // The memory, on the device of `like`. It may be released once the kernels that use it are
  // launched: LibTorch gives it only to later work of the same stream.
  at::Tensor Allocate(const at::Tensor& like) const {
    const at::Tensor memory = at::empty({bytes_}, like.options().dtype(at::kByte));
    for (const auto& set : setters_) set(memory.data_ptr<uint8_t>());
    return memory;
  }

 private:
  int64_t bytes_ = 0;
  std::vector<std::function<void(uint8_t*)>> setters_;
};

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CUDA_REGISTRATION_H_

// Launches kernels of ops/kernels on the current GPU.
//
// Launches are queued on the given stream and return at once. The first error of a launch
// is kept, and later launches are skipped; the caller checks error() once, at the end.
// Includes no ATen: files that nvcc compiles need none.
//
// For a use see nms.cu, which --config=cuda compiles.

#ifndef RCNN_OPS_CUDA_LAUNCH_H_
#define RCNN_OPS_CUDA_LAUNCH_H_

#include <cuda_runtime.h>

#include <cstdint>
#include <limits>
#include <type_traits>

#include "rcnn/ops/kernels/kernel.h"

namespace rcnn::ops {
namespace internal {

// The phases of a block with barriers between them. Their number is the same for all threads, so
// all reach each barrier. The kernel stays in constant memory.
template <typename Kernel>
__global__ void __launch_bounds__(Kernel::kThreads)
    RunPhases(const __grid_constant__ Kernel kernel) {
  __shared__ alignas(16) unsigned char memory[sizeof(typename Kernel::Shared)];
  auto& shared = *reinterpret_cast<typename Kernel::Shared*>(memory);
  typename Kernel::Private values;
  const Place place{static_cast<int64_t>(blockIdx.x), static_cast<int>(threadIdx.x)};
  const int64_t phases = kernel.Phases(place.block);
  for (int64_t phase = 0; phase < phases; ++phase) {
    if (phase > 0) __syncthreads();
    kernel.Run(phase, place, shared, values);
  }
}

}  // namespace internal

// A launcher of kernels. Not for several threads.
class CudaLauncher {
 public:
  explicit CudaLauncher(cudaStream_t stream) : stream_(stream) {}

  // Queues all blocks of `kernel`.
  template <typename Kernel>
  void operator()(const Kernel& kernel) {
    static_assert(std::is_trivially_copyable_v<Kernel>, "a kernel is copied to the device");
    static_assert(std::is_trivially_copyable_v<typename Kernel::Shared>);
    static_assert(std::is_trivially_copyable_v<typename Kernel::Private>);
    static_assert(sizeof(typename Kernel::Shared) <= 48 * 1024, "a GPU block has 48 KiB");
    static_assert(sizeof(Kernel) <= 4 * 1024, "parameters of a kernel have 4 KiB");
    const int64_t blocks = kernel.Blocks();
    if (error_ != cudaSuccess || blocks == 0) return;
    if (blocks > std::numeric_limits<int32_t>::max()) {
      error_ = cudaErrorInvalidConfiguration;
      return;
    }
    internal::RunPhases<<<static_cast<unsigned>(blocks), Kernel::kThreads, 0, stream_>>>(kernel);
    error_ = cudaGetLastError();
  }

  // cudaSuccess, or why a launch failed. What a kernel itself does wrong is known only later, when
  // the stream is next waited for.
  cudaError_t error() const { return error_; }

 private:
  cudaStream_t stream_;
  cudaError_t error_ = cudaSuccess;
};

}  // namespace rcnn::ops

#endif  // RCNN_OPS_CUDA_LAUNCH_H_

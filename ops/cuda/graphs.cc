// What makes a replay the same as the work itself:
//
//   stream    CUDA records on any stream but the default one. The work before it is done on the
//             same stream, whose workspaces of cuBLAS and cuDNN it makes. All graphs record on one
//             stream, for which LibTorch keeps memory. A replay goes to the caller's.
//   memory    What the work allocates while it is recorded lies in a pool of the graph's own, in
//             which nobody else's tensors are, so that a replay may write to all of it.
//   threads   Other threads, the image loader's for example, may use CUDA during a recording: the
//             mode is ThreadLocal.
//
// A recording that fails is ended here, so that stream and allocator can be used again; LibTorch
// 2.11 does not do it. Its allocator may still ask the graph, which is therefore never freed. There
// is at most one for each GraphedFunction.

#include "rcnn/ops/cuda/graphs.h"

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

namespace rcnn::ops::cuda {
namespace {

// In the first, kernels are loaded and cuDNN chooses algorithms; the second shows that it has.
constexpr int kWarmUps = 2;

const DeviceGraphLibrary kLibrary = {c10::DeviceType::CUDA, &RecordGraph};
[[maybe_unused]] const bool kRegistered = SetDeviceGraphLibrary(&kLibrary);

void IgnoreErrors(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::exception&) {
    // What it ends had not begun, or has ended.
  }
}

class CudaGraph : public DeviceGraph {
 public:
  void Record(c10::DeviceIndex device, const GraphedWork& work) {
    const auto pool = at::cuda::graph_pool_handle();
    try {
      graph_->capture_begin(pool, cudaStreamCaptureModeThreadLocal);
      results_ = work();
      graph_->capture_end();
    } catch (...) {
      results_.clear();
      IgnoreErrors([&] { graph_->capture_end(); });
      IgnoreErrors([&] { c10::cuda::CUDACachingAllocator::endAllocateToPool(device, pool); });
      static_cast<void>(graph_.release());  // see above
      throw;
    }
  }

  const std::vector<at::Tensor>& Replay() override {
    graph_->replay();
    return results_;
  }

 private:
  std::unique_ptr<at::cuda::CUDAGraph> graph_ = std::make_unique<at::cuda::CUDAGraph>();
  std::vector<at::Tensor> results_;
};

c10::cuda::CUDAStream RecordingStream(c10::DeviceIndex device) {
  static auto& streams = *new std::map<c10::DeviceIndex, c10::cuda::CUDAStream>();
  const auto found = streams.find(device);
  if (found != streams.end()) return found->second;
  return streams.emplace(device, c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device))
      .first->second;
}

}  // namespace

std::unique_ptr<DeviceGraph> RecordGraph(const c10::Device& device, const GraphedWork& work) {
  static auto& mutex = *new std::mutex();
  const std::lock_guard<std::mutex> lock(mutex);
  const c10::cuda::CUDAGuard on_device(device);
  c10::cuda::getCurrentCUDAStream(device.index()).synchronize();
  const c10::cuda::CUDAStream stream = RecordingStream(device.index());
  const c10::cuda::CUDAStreamGuard on_stream(stream);
  for (int i = 0; i < kWarmUps; ++i) work();
  stream.synchronize();
  auto graph = std::make_unique<CudaGraph>();
  graph->Record(device.index(), work);
  return graph;
}

}  // namespace rcnn::ops::cuda

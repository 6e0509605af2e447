// What makes a replay the same as the work itself:
//
//   stream    CUDA records on any stream but the default one. The work before it is done on the
//             same stream, whose workspaces of cuBLAS and cuDNN it makes. All graphs record on one
//             stream, for which LibTorch keeps memory. A replay goes to the caller's.
//   memory    What the works allocate while they are recorded lies in a pool of their own, in which
//             nobody else's tensors are, so that a replay may write to all of it. A later work gets
//             what an earlier one has made and it has freed, so works are replayed in their order.
//   threads   Other threads, the image loader's for example, may use CUDA during a recording: the
//             mode is ThreadLocal. They may not draw from LibTorch's generator of the GPU, which
//             records too; nothing in this repository does. A thread of autograd computes a
//             backward pass on the stream of the forward pass, which is recorded on it for that
//             reason, and the pool is found by the stream.
//
// LibTorch 2.11 does not end a recording that fails. So it is ended here: the allocators stop
// asking the graph and get its memory back, and the generator records no longer. The graph itself
// is never freed, because it may give its memory back too. There is at most one such graph for each
// GraphedFunction and GraphedGradient.

#include "rcnn/ops/cuda/graphs.h"

#include <ATen/core/CachingHostAllocator.h>
#include <ATen/core/Generator.h>
#include <ATen/cuda/CUDAGeneratorImpl.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace rcnn::ops::cuda {
namespace {

// In the first, kernels are loaded and cuDNN chooses algorithms; the second shows that it has.
constexpr int kWarmUps = 2;

const DeviceGraphLibrary kLibrary = {c10::DeviceType::CUDA, &RecordGraphs};
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
  void Record(c10::DeviceIndex device, const c10::MempoolId_t& pool, const GraphedWork& work) {
    at::Generator generator = at::cuda::detail::getDefaultCUDAGenerator(device);
    const at::Generator before = generator.clone();
    try {
      graph_->capture_begin(pool, cudaStreamCaptureModeThreadLocal);
      results_ = work();
      graph_->capture_end();
    } catch (...) {
      results_.clear();
      at::HostAllocator* const host = at::getHostAllocator(at::kCUDA);
      IgnoreErrors([&] { graph_->capture_end(); });
      IgnoreErrors([&] { c10::cuda::CUDACachingAllocator::endAllocateToPool(device, pool); });
      IgnoreErrors([&] { c10::cuda::CUDACachingAllocator::releasePool(device, pool); });
      IgnoreErrors([&] { host->end_allocate_to_pool(pool); });
      IgnoreErrors([&] { host->release_pool(pool); });
      IgnoreErrors([&] { generator.graphsafe_set_state(before); });
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

std::vector<std::unique_ptr<DeviceGraph>> RecordGraphs(const c10::Device& device,
                                                       const std::vector<GraphedWork>& works) {
  static auto& mutex = *new std::mutex();
  const std::lock_guard<std::mutex> lock(mutex);
  const c10::cuda::CUDAGuard on_device(device);
  c10::cuda::getCurrentCUDAStream(device.index()).synchronize();
  const c10::cuda::CUDAStream stream = RecordingStream(device.index());
  const c10::cuda::CUDAStreamGuard on_stream(stream);
  for (int i = 0; i < kWarmUps; ++i) {
    for (const GraphedWork& work : works) work();
  }
  stream.synchronize();
  // What the works have freed. During a recording LibTorch does not give it to the graph, and while
  // memory is short cuDNN's algorithms may be others than those outside.
  c10::cuda::CUDACachingAllocator::emptyCache();
  const c10::MempoolId_t pool = at::cuda::graph_pool_handle();
  std::vector<std::unique_ptr<DeviceGraph>> graphs;
  for (const GraphedWork& work : works) {
    auto graph = std::make_unique<CudaGraph>();
    graph->Record(device.index(), pool, work);
    graphs.push_back(std::move(graph));
  }
  return graphs;
}

}  // namespace rcnn::ops::cuda

#include "rcnn/base/graphed_function.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "rcnn/base/autocast_scope.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/exception_status.h"

namespace rcnn {
namespace {

std::vector<at::Tensor> Copies(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> copies;
  for (const at::Tensor& tensor : tensors) copies.push_back(tensor.clone());
  return copies;
}

}  // namespace

GraphedFunction::GraphedFunction(Function function, const GraphLimits& limits)
    : function_(std::move(function)), max_graphs_(limits.max_graphs), graphs_(limits) {}

int64_t GraphedFunction::num_graphs() const {
  const absl::MutexLock lock(&mutex_);
  return graphs_.size();
}

int64_t GraphedFunction::num_freed() const {
  const absl::MutexLock lock(&mutex_);
  return freed_;
}

void GraphedFunction::FreeGraphs() {
  const absl::MutexLock lock(&mutex_);
  if (graphs_.size() == 0) return;
  TORCH_WARN("memory has run out: ", Counted(graphs_.size(), "graph is", "graphs are"),
             " freed, and no more are recorded, which gives the same results");
  freed_ += graphs_.size();
  graphs_.Clear();
  failed_ = true;
}

std::vector<at::Tensor> GraphedFunction::Run(const at::Tensor& input) {
  const bool may = max_graphs_ > 0 && !at::GradMode::is_enabled();
  const DeviceGraphLibrary* const library =
      may ? FindDeviceGraphLibrary(input.device().type()) : nullptr;
  if (library == nullptr) return function_(input);
  {
    const absl::MutexLock lock(&mutex_);
    if (Graph* const graph = FindGraph(*library, input); graph != nullptr) {
      graph->input.copy_(input, /*non_blocking=*/true);
      return Copies(graph->recorded->Replay());
    }
  }
  return function_(input);
}

GraphedFunction::Graph* GraphedFunction::FindGraph(const DeviceGraphLibrary& library,
                                                   const at::Tensor& input) {
  GraphKey key = MakeGraphKey({input});
  if (Graph* const graph = graphs_.Find(key); graph != nullptr) return graph;
  if (failed_ || !std::exchange(graphs_.Visit(key), true) || !graphs_.MakeRoom()) return nullptr;
  return Record(library, std::move(key), input);
}

GraphedFunction::Graph* GraphedFunction::Record(const DeviceGraphLibrary& library, GraphKey key,
                                                const at::Tensor& input) {
  // A converted weight that is kept until the end of autocast would be freed before the graph.
  const UncachedAutocastScope uncached;
  Graph graph;
  const absl::Status status = CatchExceptions([&] {
    graph.input = at::empty(input.sizes(), input.options(), input.suggest_memory_format());
    graph.input.copy_(input);
    const GraphedWork work = [this, memory = graph.input] { return function_(memory); };
    graph.recorded = std::move(library.record(input.device(), {work}).front());
    return absl::OkStatus();
  });
  if (status.ok()) return graphs_.Add(std::move(key), std::move(graph));
  failed_ = true;
  TORCH_WARN("no graph for a tensor ", input.sizes(), " on ", input.device().str(), ": ",
             std::string(status.message()),
             "; such tensors are computed without one, which gives the same results");
  return nullptr;
}

}  // namespace rcnn

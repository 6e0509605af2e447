#include "rcnn/base/graphed_function.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "rcnn/base/autocast_scope.h"
#include "rcnn/base/exception_status.h"

namespace rcnn {
namespace {

// HasCome remembers this many shapes, and two more for each graph that is allowed.
constexpr int64_t kRemembered = 64;

std::vector<at::Tensor> Copies(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> copies;
  for (const at::Tensor& tensor : tensors) copies.push_back(tensor.clone());
  return copies;
}

}  // namespace

GraphedFunction::GraphedFunction(Function function, const GraphedFunctionOptions& options)
    : function_(std::move(function)), options_(options) {}

int64_t GraphedFunction::num_graphs() const {
  const absl::MutexLock lock(&mutex_);
  return static_cast<int64_t>(graphs_.size());
}

int64_t GraphedFunction::num_freed() const {
  const absl::MutexLock lock(&mutex_);
  return freed_;
}

void GraphedFunction::FreeGraphs() {
  const absl::MutexLock lock(&mutex_);
  if (graphs_.empty()) return;
  TORCH_WARN("memory has run out: ", graphs_.size(),
             " graphs are freed, and no more are recorded, which gives the same results");
  freed_ += static_cast<int64_t>(graphs_.size());
  graphs_.clear();
  failed_ = true;
}

std::vector<at::Tensor> GraphedFunction::Run(const at::Tensor& input) {
  const bool may = options_.max_graphs > 0 && !at::GradMode::is_enabled();
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

// The stream is part of the key: replays of one graph on two streams could overlap in its memory.
GraphedFunction::Key GraphedFunction::MakeKey(const at::Tensor& input) {
  const at::Device device = input.device();
  const c10::impl::VirtualGuardImpl streams(device.type());
  const c10::optional<c10::ScalarType> autocast = AutocastType(device.type());
  Key key = {static_cast<int64_t>(device.type()),
             static_cast<int64_t>(device.index()),
             static_cast<int64_t>(streams.getStream(device).id()),
             static_cast<int64_t>(input.scalar_type()),
             static_cast<int64_t>(input.suggest_memory_format()),
             autocast ? static_cast<int64_t>(*autocast) : -1};
  key.insert(key.end(), input.sizes().begin(), input.sizes().end());
  return key;
}

GraphedFunction::Graph* GraphedFunction::FindGraph(const DeviceGraphLibrary& library,
                                                   const at::Tensor& input) {
  ++calls_;
  Key key = MakeKey(input);
  const auto found = std::find_if(graphs_.begin(), graphs_.end(),
                                  [&](const Graph& graph) { return graph.key == key; });
  if (found == graphs_.end()) {
    if (failed_ || !HasCome(key) || !MakeRoom()) return nullptr;
    return Record(library, std::move(key), input);
  }
  found->last_call = calls_;
  graphs_.splice(graphs_.begin(), graphs_, found);
  return &graphs_.front();
}

bool GraphedFunction::HasCome(const Key& key) {
  const auto found = std::find(seen_.begin(), seen_.end(), key);
  if (found != seen_.end()) {
    seen_.splice(seen_.begin(), seen_, found);
    return true;
  }
  seen_.push_front(key);
  const auto count = static_cast<int64_t>(seen_.size());
  if (count > kRemembered + 2 * options_.max_graphs) seen_.pop_back();
  return false;
}

bool GraphedFunction::MakeRoom() {
  if (static_cast<int64_t>(graphs_.size()) < options_.max_graphs) return true;
  if (calls_ - graphs_.back().last_call <= options_.idle_calls) return false;
  graphs_.pop_back();
  return true;
}

GraphedFunction::Graph* GraphedFunction::Record(const DeviceGraphLibrary& library, Key key,
                                                const at::Tensor& input) {
  // A converted weight that is kept until the end of autocast would be freed before the graph.
  const UncachedAutocastScope uncached;
  Graph graph;
  graph.key = std::move(key);
  graph.last_call = calls_;
  const absl::Status status = CatchExceptions([&] {
    graph.input = at::empty(input.sizes(), input.options(), input.suggest_memory_format());
    graph.input.copy_(input);
    graph.recorded =
        library.record(input.device(), [this, memory = graph.input] { return function_(memory); });
    return absl::OkStatus();
  });
  if (status.ok()) {
    graphs_.push_front(std::move(graph));
    return &graphs_.front();
  }
  failed_ = true;
  TORCH_WARN("no graph for a tensor ", input.sizes(), " on ", input.device().str(), ": ",
             std::string(status.message()),
             "; such tensors are computed without one, which gives the same results");
  return nullptr;
}

}  // namespace rcnn

// A function of one tensor, launched as a graph (device_graph.h) for the shapes that come often.
//
// graph_table.h chooses them. If a recording fails, a warning gives the cause, and no more graphs
// are recorded. For inference; graphed_gradient.h is for training.
//
//   call           graph    does
//   first          none     function(x)
//   second         none     copies x to the input's memory, records function there, replays
//   later          recorded copies x to the input's memory, replays
//
// Run always returns new tensors with the bits of function(x); those of a graph are copies.
//
// Graphs keep their memory, which LibTorch's allocator cannot reuse. A caller that runs out of
// memory calls FreeGraphs and tries again.
//
// Example:
//   GraphedFunction network([&](const at::Tensor& images) { return Compute(images); }, {8});
//   const at::NoGradGuard no_grad;
//   std::vector<at::Tensor> maps = network.Run(images);

#ifndef RCNN_BASE_GRAPHED_FUNCTION_H_
#define RCNN_BASE_GRAPHED_FUNCTION_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "rcnn/base/device_graph.h"
#include "rcnn/base/graph_table.h"

namespace rcnn {

class GraphedFunction {
 public:
  // Depends on nothing but its argument and memory that stays where it is: weights may change in
  // place, but not move. See GraphedWork.
  using Function = std::function<std::vector<at::Tensor>(const at::Tensor& input)>;

  // Calls are those of Run.
  GraphedFunction(Function function, const GraphLimits& limits);

  // Returns function(input); `input` has any shape, dtype and device. A graph is used only if the
  // device has a library and gradients are off. Inputs that differ in device, dtype, memory format,
  // autocast (autocast_scope.h) or the thread's stream count as different shapes. LibTorch's global
  // settings must be the same in all calls. Thread-safe if `function` is. Throws what `function`
  // throws.
  std::vector<at::Tensor> Run(const at::Tensor& input);

  int64_t num_graphs() const;

  // Frees all graphs, so that their memory can be used again, and records no more, with a warning.
  // Without graphs it does nothing: later calls may still record some. Thread-safe.
  void FreeGraphs();

  // The number of graphs that FreeGraphs has freed. If it has grown since a call of Run began that
  // ran out of memory, another thread has freed some, and that call may be tried again too.
  int64_t num_freed() const;

 private:
  struct Graph {
    at::Tensor input;  // what the graph reads
    std::unique_ptr<DeviceGraph> recorded;
  };

  // The graph for the input's shape, recorded now if it is due; null if there is none.
  Graph* FindGraph(const DeviceGraphLibrary& library, const at::Tensor& input)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The new graph; null, after a warning, if recording fails.
  Graph* Record(const DeviceGraphLibrary& library, GraphKey key, const at::Tensor& input)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Function function_;
  const int64_t max_graphs_;
  mutable absl::Mutex mutex_;
  // Notes whether a shape has come.
  GraphTable<Graph, bool> graphs_ ABSL_GUARDED_BY(mutex_);
  int64_t freed_ ABSL_GUARDED_BY(mutex_) = 0;
  bool failed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace rcnn

#endif  // RCNN_BASE_GRAPHED_FUNCTION_H_

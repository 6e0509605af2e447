// A function of one tensor, launched as a graph (device_graph.h) for the shapes that come often.
//
// A shape gets its graph when it comes for the second time, since recording costs some calls. There
// are at most `max_graphs`. A further shape replaces the graph that was used longest ago if nobody
// has needed that in the last `idle_calls` calls; otherwise it is computed as usual, so that many
// shapes in turn do not record each other away. After the first recording that fails, which is a
// warning with the cause, no more are tried.
//
//   call           graph    does
//   first          none     function(x)
//   second         none     copies x to the input's memory, records function there, replays
//   later          there    copies x to the input's memory, replays
//
// In all cases the result is new tensors with the bits of function(x): a graph's own are copied.
//
// Graphs keep their memory, and LibTorch's allocator cannot take it. A caller whose memory has run
// out frees them and tries again.
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
#include <list>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "rcnn/base/device_graph.h"

namespace rcnn {

struct GraphedFunctionOptions {
  // Each keeps the memory that the function needs for its shape. 0: none.
  int64_t max_graphs = 0;
  int64_t idle_calls = 64;
};

class GraphedFunction {
 public:
  // Depends on nothing but its argument and memory that stays where it is: weights may change in
  // place, but not move. See GraphedWork.
  using Function = std::function<std::vector<at::Tensor>(const at::Tensor& input)>;

  GraphedFunction(Function function, const GraphedFunctionOptions& options);

  // function(input), of any shape, on any device. A graph is used where the device has a library,
  // and no gradients are recorded. Shapes differ that differ in type, memory format, autocast
  // (autocast_scope.h) or the thread's stream; LibTorch's global settings must be the same in all
  // calls. Thread-safe if `function` is. Throws what `function` throws.
  std::vector<at::Tensor> Run(const at::Tensor& input);

  int64_t num_graphs() const;

  // Frees all graphs, so that their memory is there for others, and records no more; a warning says
  // so if there was any. Thread-safe.
  void FreeGraphs();

  // Graphs that FreeGraphs has freed. If another thread has done it since a call of Run began, that
  // call may be worth another try too.
  int64_t num_freed() const;

 private:
  using Key = std::vector<int64_t>;
  struct Graph {
    Key key;
    at::Tensor input;  // what the graph reads
    std::unique_ptr<DeviceGraph> recorded;
    int64_t last_call = 0;
  };

  static Key MakeKey(const at::Tensor& input);
  // The graph for the input's shape, recorded now if it is due; null if there is none.
  Graph* FindGraph(const DeviceGraphLibrary& library, const at::Tensor& input)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether a shape has come before, lately. Remembers it.
  bool HasCome(const Key& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether there is room for a graph, after the removal of one if need be.
  bool MakeRoom() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Null, with a warning, if it fails.
  Graph* Record(const DeviceGraphLibrary& library, Key key, const at::Tensor& input)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Function function_;
  const GraphedFunctionOptions options_;
  mutable absl::Mutex mutex_;
  // The last used first.
  std::list<Graph> graphs_ ABSL_GUARDED_BY(mutex_);
  std::list<Key> seen_ ABSL_GUARDED_BY(mutex_);
  int64_t calls_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t freed_ ABSL_GUARDED_BY(mutex_) = 0;
  bool failed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace rcnn

#endif  // RCNN_BASE_GRAPHED_FUNCTION_H_

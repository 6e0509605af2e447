// A function of tensors and weights in training, launched with its gradient as two graphs
// (device_graph.h) for the shapes that come often. graphed_function.h is for inference.
//
// graph_table.h chooses the shapes. If a recording fails, a warning gives the cause, and no more
// graphs are recorded.
//
//   call of a shape   forward pass                         backward pass
//   first             function(inputs)                     as usual; how gradients arrive is noted
//   second            records both, then as a later one    as of a later one
//   later             copies the inputs, replays           copies the gradients, replays
//
// Gradients, and so trained weights, have the bits that they have without graphs:
//   - A graph computes the same operations on tensors of the same sizes, strides and alignment.
//   - Autograd adds up the gradients of a tensor that is used several times in the order of the
//     operators. All that come from outside the function arrive before any from within, as they do
//     without graphs if the results are used by operators that run after the function, and each by
//     one of them.
//
// Results lie in the graph's memory until their backward pass has run, or nothing refers to them
// any more. Until then the graph is in use, and another call of its shape is computed as usual.
// After that, the next call overwrites them. Gradients of weights are copies, so that several
// backward passes may add up theirs.
//
// Graphs keep their memory, which LibTorch's allocator cannot reuse. A caller that runs out of
// memory calls FreeGraphs and tries again.
//
// Example:
//   GraphedGradient network([&](const auto& images) { return Compute(images); }, weights, {4});
//   const std::vector<at::Tensor> maps = network.Run({images});
//   Loss(maps).backward();

#ifndef RCNN_BASE_GRAPHED_GRADIENT_H_
#define RCNN_BASE_GRAPHED_GRADIENT_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "rcnn/base/device_graph.h"
#include "rcnn/base/graph_table.h"

namespace rcnn {

// Not thread-safe. Backward passes run in a thread of autograd while their caller waits.
class GraphedGradient {
 public:
  // Depends on nothing but its arguments, the weights and other memory that stays where it is, and
  // changes nothing: a recording calls it several times. See GraphedWork. Draws no random numbers.
  using Function = std::function<std::vector<at::Tensor>(const std::vector<at::Tensor>& inputs)>;

  // `weights`: the leaves that require a gradient and that `function` depends on, dense, of one
  // type, on one device. They change in place; if one has moved, all graphs are recorded again.
  // Calls are those of Run.
  GraphedGradient(Function function, std::vector<at::Tensor> weights, const GraphLimits& limits);
  GraphedGradient(const GraphedGradient&) = delete;
  GraphedGradient& operator=(const GraphedGradient&) = delete;

  // Returns function(inputs) with gradients of the weights, for one backward pass; N >= 1 inputs
  // of any shapes and dtypes, which get no gradients, on one device. A graph is used only if the
  // device has a library, gradients are on, and there are weights. What differs as MakeGraphKey
  // says counts as another shape. LibTorch's global settings must be the same in all calls, and the
  // same results must get gradients in all backward passes of a shape: c10::Error from the backward
  // pass otherwise. Throws what `function` throws.
  std::vector<at::Tensor> Run(const std::vector<at::Tensor>& inputs);

  int64_t num_graphs() const;

  // Frees all graphs that are not in use, and the others once they are not, so that their memory
  // can be used again, and records no more, with a warning. Returns whether there were any; without
  // graphs it does nothing: later calls may still record some.
  bool FreeGraphs();

 private:
  // The forms in which the gradients of results arrive, once a backward pass has run.
  struct GradientForms;
  // Both graphs of a shape, and their memory.
  struct Graphs;
  // Passes gradients of results on to the function, and notes their forms.
  class Boundary;
  // Replays the backward pass.
  class Replayed;

  using Weights = std::shared_ptr<const std::vector<at::Tensor>>;

  // Removes the graphs of weights that have moved since.
  void FindMovedWeights();
  // function(inputs), whose backward pass notes `forms`.
  std::vector<at::Tensor> RunNoting(const std::vector<at::Tensor>& inputs,
                                    const std::shared_ptr<GradientForms>& forms);
  static std::vector<at::Tensor> Replay(const std::shared_ptr<Graphs>& graphs,
                                        const std::vector<at::Tensor>& inputs);
  // Null, after a warning, if recording fails.
  std::shared_ptr<Graphs> Record(const DeviceGraphLibrary& library,
                                 const std::vector<at::Tensor>& inputs, const GradientForms& forms);

  const Function function_;
  const Weights weights_;
  std::vector<const void*> addresses_;  // of the weights
  // Notes how gradients arrive.
  GraphTable<std::shared_ptr<Graphs>, std::shared_ptr<GradientForms>> graphs_;
  bool failed_ = false;
};

}  // namespace rcnn

#endif  // RCNN_BASE_GRAPHED_GRADIENT_H_

// What autograd sees, and what runs:
//
//   first call    loss -> results -> Boundary -> function -> weights
//   graph         loss -> results -> Replayed ------------> weights
//   recording              start -> Source   -> function -> weights
//
// Boundary, Replayed and Source are autograd's nodes. A replay does nothing on the host but to
// queue a graph, so that nodes of the function exist during a recording alone.
//
//   the same bits  Boundary and Source hand all gradients of the results to the function's nodes at
//                  once, in one thread. If autograd got them as those of several tensors, its
//                  thread could begin with some before the others are there, and add up in another
//                  order.
//   streams        Nodes compute on the stream of their forward pass. A weight's node, which adds
//                  up its gradients, is made by its first use and lives as long as it is used. So a
//                  recording must not begin while results of other uses of the weights exist:
//                  theirs would be on another stream, where nothing is recorded.
//   gradients      are one tensor in the graph's memory, from which one copy is made: a launch for
//                  each weight would cost more than the copy.

#include "rcnn/base/graphed_gradient.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/zeros.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/edge.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "rcnn/base/autocast_scope.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/exception_status.h"

namespace rcnn {
namespace {

using torch::autograd::Node;
using torch::autograd::variable_list;

// Bytes. LibTorch allocates at multiples of it, and no kernel asks for larger ones.
constexpr uintptr_t kAlignment = 64;

// Gradients of weights begin at multiples of so many elements of their common tensor, which are
// multiples of what LibTorch's allocator of the GPU aligns tensors to, 512 bytes.
constexpr int64_t kStep = 128;

int64_t RoundUpToStep(int64_t count) { return (count + kStep - 1) / kStep * kStep; }

// How a tensor lies in memory; `sizes` and the others are unset if there is none.
struct Form {
  bool is_there = false;
  std::vector<int64_t> sizes, strides;
  at::TensorOptions options;
  int64_t offset = 0;  // of the address from a multiple of kAlignment, in elements
};

Form FindForm(const at::Tensor& tensor) {
  if (!tensor.defined()) return {};
  const auto address = reinterpret_cast<uintptr_t>(tensor.data_ptr());
  const auto beyond = static_cast<int64_t>(address % kAlignment);
  return {true, tensor.sizes().vec(), tensor.strides().vec(), tensor.options(),
          beyond / static_cast<int64_t>(tensor.element_size())};
}

// A new tensor of this form.
at::Tensor MakeTensor(const Form& form) {
  int64_t elements = 1;
  for (size_t i = 0; i < form.sizes.size(); ++i) {
    TORCH_CHECK(form.sizes[i] < 2 || form.strides[i] > 0,
                "a tensor repeats its elements along dimension ", i);
    elements += (form.sizes[i] - 1) * form.strides[i];
  }
  return at::empty({form.offset + std::max<int64_t>(elements, 0)}, form.options)
      .as_strided(form.sizes, form.strides, form.offset);
}

// The elements of a dense tensor, as they lie in memory.
at::Tensor InMemoryOrder(const at::Tensor& tensor) {
  return tensor.as_strided({tensor.numel()}, {1});
}

// With the strides of the weight.
at::Tensor LikeWeight(const at::Tensor& gradient, const at::Tensor& weight) {
  if (gradient.strides() == weight.strides()) return gradient;
  return at::empty_strided(weight.sizes(), weight.strides(), gradient.options()).copy_(gradient);
}

// All gradients, one after the other; undefined ones are left out.
at::Tensor Join(const std::vector<at::Tensor>& gradients, const std::vector<at::Tensor>& weights) {
  std::vector<at::Tensor> rows;
  at::Tensor zeros;
  for (size_t w = 0; w < weights.size(); ++w) {
    if (!gradients[w].defined()) continue;
    if (!zeros.defined()) zeros = at::zeros({kStep}, gradients[w].options());
    rows.push_back(InMemoryOrder(LikeWeight(gradients[w], weights[w])));
    const int64_t count = weights[w].numel();
    rows.push_back(zeros.narrow(0, 0, RoundUpToStep(count) - count));
  }
  TORCH_CHECK(!rows.empty(), "no weight gets a gradient");
  return at::cat(rows);
}

std::vector<bool> AreDefined(const std::vector<at::Tensor>& tensors) {
  std::vector<bool> defined;
  for (const at::Tensor& tensor : tensors) defined.push_back(tensor.defined());
  return defined;
}

std::vector<bool> RequireGradients(const std::vector<at::Tensor>& tensors) {
  std::vector<bool> required;
  for (const at::Tensor& tensor : tensors) required.push_back(tensor.requires_grad());
  return required;
}

// Tensors in the same memory, whose gradients go to `node`, where they are wanted.
std::vector<at::Tensor> AttachTo(const std::shared_ptr<Node>& node,
                                 const std::vector<at::Tensor>& tensors,
                                 const std::vector<bool>& wanted) {
  std::vector<at::Tensor> attached;
  for (size_t i = 0; i < tensors.size(); ++i) {
    at::Tensor tensor = tensors[i].variable_data();
    if (wanted[i]) {
      torch::autograd::create_gradient_edge(tensor, node);
    } else {
      node->add_input_metadata(Node::undefined_input());
    }
    attached.push_back(std::move(tensor));
  }
  return attached;
}

// For Node::set_next_edges: to what has made the tensors, and to the leaves among them.
torch::autograd::edge_list EdgesTo(const std::vector<at::Tensor>& tensors) {
  torch::autograd::edge_list edges;
  for (const at::Tensor& tensor : tensors) {
    edges.push_back(tensor.requires_grad() ? torch::autograd::impl::gradient_edge(tensor)
                                           : torch::autograd::Edge());
  }
  return edges;
}

template <typename NodeType, typename... Arguments>
std::shared_ptr<NodeType> MakeNode(Arguments&&... arguments) {
  return std::shared_ptr<NodeType>(new NodeType(std::forward<Arguments>(arguments)...),
                                   torch::autograd::deleteNode);
}

// Gives gradients to its edges, whatever it gets.
class Source : public Node {
 public:
  explicit Source(std::vector<at::Tensor> gradients) : gradients_(std::move(gradients)) {}

  variable_list apply(variable_list&&) override { return gradients_; }
  void release_variables() override { gradients_.clear(); }

 private:
  std::vector<at::Tensor> gradients_;
};

// What the two works of a recording share.
struct Passes {
  std::vector<at::Tensor> results;  // of the forward pass until the backward pass
  std::vector<bool> results_want_gradients, weights_get_gradients;
};

// The gradients of the weights where those of the results are `gradients`.
std::vector<at::Tensor> ComputeGradients(const std::vector<at::Tensor>& results,
                                         const std::vector<at::Tensor>& gradients,
                                         const std::vector<at::Tensor>& weights) {
  // As the backward pass of a loss, which begins when autocast has ended.
  const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
  const auto source = MakeNode<Source>(gradients);
  source->set_next_edges(EdgesTo(results));
  const at::TensorOptions options = weights.front().options();
  const std::vector<at::Tensor> start = AttachTo(source, {at::empty({1}, options)}, {true});
  return torch::autograd::grad(start, weights, {at::empty({1}, options)}, /*retain_graph=*/false,
                               /*create_graph=*/false, /*allow_unused=*/true);
}

}  // namespace

struct GraphedGradient::GradientForms {
  bool are_noted = false;
  std::vector<Form> forms;
};

struct GraphedGradient::Graphs {
  // What the weights get, from a copy of what the second graph makes.
  variable_list Split(const at::Tensor& joined) const {
    variable_list gradients(weights->size());
    int64_t begin = 0;
    for (size_t w = 0; w < gradients.size(); ++w) {
      if (!weights_get_gradients[w]) continue;
      const at::Tensor& weight = (*weights)[w];
      gradients[w] = joined.as_strided(weight.sizes(), weight.strides(), begin);
      begin += RoundUpToStep(weight.numel());
    }
    return gradients;
  }

  Weights weights;
  std::vector<bool> results_want_gradients, weights_get_gradients;
  std::vector<at::Tensor> inputs;     // what the first graph reads
  std::vector<at::Tensor> gradients;  // what the second one reads; undefined where none arrives
  std::unique_ptr<DeviceGraph> forward, backward;
};

class GraphedGradient::Boundary : public Node {
 public:
  explicit Boundary(std::shared_ptr<GradientForms> forms) : forms_(std::move(forms)) {}

  variable_list apply(variable_list&& gradients) override {
    forms_->forms.clear();
    for (const at::Tensor& gradient : gradients) forms_->forms.push_back(FindForm(gradient));
    forms_->are_noted = true;
    return std::move(gradients);
  }

 private:
  const std::shared_ptr<GradientForms> forms_;
};

class GraphedGradient::Replayed : public Node {
 public:
  explicit Replayed(std::shared_ptr<Graphs> graphs) : graphs_(std::move(graphs)) {}

  // The graphs are free at its end.
  variable_list apply(variable_list&& gradients) override {
    const std::shared_ptr<Graphs> graphs = std::move(graphs_);
    TORCH_CHECK(graphs != nullptr, "the backward pass of a graph has run already");
    TORCH_CHECK(AreDefined(gradients) == AreDefined(graphs->gradients),
                "gradients arrive for other results of a graph than when it was recorded");
    for (size_t i = 0; i < gradients.size(); ++i) {
      if (!gradients[i].defined()) continue;
      graphs->gradients[i].copy_(gradients[i], /*non_blocking=*/true);
    }
    return graphs->Split(graphs->backward->Replay().front().clone());
  }

  void release_variables() override { graphs_ = nullptr; }

 private:
  std::shared_ptr<Graphs> graphs_;
};

GraphedGradient::GraphedGradient(Function function, std::vector<at::Tensor> weights,
                                 const GraphLimits& limits)
    : function_(std::move(function)),
      weights_(std::make_shared<const std::vector<at::Tensor>>(std::move(weights))),
      graphs_(limits) {}

int64_t GraphedGradient::num_graphs() const { return graphs_.size(); }

bool GraphedGradient::FreeGraphs() {
  const int64_t count = graphs_.size();
  if (count == 0) return false;
  TORCH_WARN(
      "memory has run out: ", Counted(count, "graph of training is", "graphs of training are"),
      " freed, and no more are recorded, which gives the same results");
  graphs_.Clear();
  failed_ = true;
  return true;
}

std::vector<at::Tensor> GraphedGradient::Run(const std::vector<at::Tensor>& inputs) {
  TORCH_CHECK(!inputs.empty(), "a graph needs an input");
  const bool may =
      graphs_.limits().max_graphs > 0 && at::GradMode::is_enabled() && !weights_->empty();
  const DeviceGraphLibrary* const library =
      may ? FindDeviceGraphLibrary(inputs.front().device().type()) : nullptr;
  if (library == nullptr) return function_(inputs);
  FindMovedWeights();
  const GraphKey key = MakeGraphKey(inputs);
  if (const std::shared_ptr<Graphs>* const found = graphs_.Find(key); found != nullptr) {
    const bool is_in_use = found->use_count() > 1;
    return is_in_use ? function_(inputs) : Replay(*found, inputs);
  }
  if (failed_) return function_(inputs);
  std::shared_ptr<GradientForms>& forms = graphs_.Visit(key);
  if (forms == nullptr) forms = std::make_shared<GradientForms>();
  if (!forms->are_noted) return RunNoting(inputs, forms);
  if (!graphs_.MakeRoom()) return function_(inputs);
  const std::shared_ptr<Graphs> graphs = Record(*library, inputs, *forms);
  if (graphs == nullptr) return function_(inputs);
  return Replay(*graphs_.Add(key, graphs), inputs);
}

void GraphedGradient::FindMovedWeights() {
  std::vector<const void*> addresses;
  for (const at::Tensor& weight : *weights_) addresses.push_back(weight.data_ptr());
  if (addresses == addresses_) return;
  graphs_.Clear();
  addresses_ = std::move(addresses);
}

std::vector<at::Tensor> GraphedGradient::RunNoting(const std::vector<at::Tensor>& inputs,
                                                   const std::shared_ptr<GradientForms>& forms) {
  const std::vector<at::Tensor> results = function_(inputs);
  const auto boundary = MakeNode<Boundary>(forms);
  boundary->set_next_edges(EdgesTo(results));
  return AttachTo(boundary, results, RequireGradients(results));
}

std::vector<at::Tensor> GraphedGradient::Replay(const std::shared_ptr<Graphs>& graphs,
                                                const std::vector<at::Tensor>& inputs) {
  {
    const at::NoGradGuard no_grad;
    for (size_t i = 0; i < inputs.size(); ++i) {
      graphs->inputs[i].copy_(inputs[i], /*non_blocking=*/true);
    }
  }
  const std::vector<at::Tensor>& results = graphs->forward->Replay();
  const auto node = MakeNode<Replayed>(graphs);
  node->set_next_edges(EdgesTo(*graphs->weights));
  return AttachTo(node, results, graphs->results_want_gradients);
}

std::shared_ptr<GraphedGradient::Graphs> GraphedGradient::Record(
    const DeviceGraphLibrary& library, const std::vector<at::Tensor>& inputs,
    const GradientForms& forms) {
  const auto graphs = std::make_shared<Graphs>();
  const auto passes = std::make_shared<Passes>();
  const absl::Status status = CatchExceptions([&] {
    graphs->weights = weights_;
    for (const at::Tensor& input : inputs) {
      graphs->inputs.push_back(MakeTensor(FindForm(input)).copy_(input.detach()));
    }
    for (const Form& form : forms.forms) {
      graphs->gradients.push_back(form.is_there ? MakeTensor(form).zero_() : at::Tensor());
    }
    const GraphedWork forward = [this, passes, memory = graphs->inputs] {
      const OwnAutocastCacheScope own_conversions;
      passes->results = function_(memory);
      passes->results_want_gradients = RequireGradients(passes->results);
      std::vector<at::Tensor> detached;
      for (const at::Tensor& result : passes->results) detached.push_back(result.detach());
      return detached;
    };
    const GraphedWork backward = [passes, weights = weights_, memory = graphs->gradients] {
      const std::vector<at::Tensor> results = std::move(passes->results);
      passes->results.clear();
      const std::vector<at::Tensor> gradients = ComputeGradients(results, memory, *weights);
      passes->weights_get_gradients = AreDefined(gradients);
      return std::vector<at::Tensor>{Join(gradients, *weights)};
    };
    auto recorded = library.record(inputs.front().device(), {forward, backward});
    graphs->forward = std::move(recorded[0]);
    graphs->backward = std::move(recorded[1]);
    graphs->results_want_gradients = passes->results_want_gradients;
    graphs->weights_get_gradients = passes->weights_get_gradients;
    return absl::OkStatus();
  });
  if (status.ok()) return graphs;
  failed_ = true;
  TORCH_WARN("no graphs for the training of a tensor ", inputs.front().sizes(), " on ",
             inputs.front().device().str(), ": ", std::string(status.message()),
             "; such tensors are computed without them, which gives the same results");
  return nullptr;
}

}  // namespace rcnn

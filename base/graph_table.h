// Which shapes of a function's arguments have a graph (device_graph.h): those that come often.
//
// A shape may get a graph when it comes for the second time, since recording costs some calls.
// There are at most `max_graphs`. A further shape replaces the graph that was used longest ago if
// that has not been used in the last `idle_calls` calls; otherwise it gets none, so that shapes in
// turn do not keep replacing each other.
//
// For graphed_function.h and graphed_gradient.h. Not thread-safe.
//
// Example:
//   GraphTable<Graph, bool> table({/*max_graphs=*/2});
//   const GraphKey key = MakeGraphKey({images});
//   Graph* graph = table.Find(key);
//   const bool has_come = std::exchange(table.Visit(key), true);
//   if (graph == nullptr && has_come && table.MakeRoom()) graph = table.Add(key, Graph());

#ifndef RCNN_BASE_GRAPH_TABLE_H_
#define RCNN_BASE_GRAPH_TABLE_H_

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>
#include <list>
#include <utility>
#include <vector>

namespace rcnn {

struct GraphLimits {
  // Each graph keeps the memory that the function needs for its shape. 0: no graphs.
  int64_t max_graphs = 0;
  // A graph may be replaced once this many calls have not used it.
  int64_t idle_calls = 64;
};

using GraphKey = std::vector<int64_t>;

// What distinguishes graphs of one function: sizes, dtype and memory format of each of N >= 1
// tensors on one device, the device, the autocast (autocast_scope.h) and the thread's stream there.
// The stream, because replays of one graph on two streams could overlap in its memory.
GraphKey MakeGraphKey(const std::vector<at::Tensor>& inputs);

// `Note`: what is noted of a shape, of those that came last: 64 of them, and two more for each
// graph that is allowed.
template <typename Graph, typename Note>
class GraphTable {
 public:
  explicit GraphTable(const GraphLimits& limits) : limits_(limits) {}

  // Counts a call. The graph of a shape, which is now the last used; null if it has none. Valid
  // until the shape is replaced, or Clear.
  Graph* Find(const GraphKey& key);

  // What is noted of a shape, which is now the last that came; Note() where nothing is. Valid until
  // the next call.
  Note& Visit(const GraphKey& key);

  // Whether there is room for one more graph. Removes an idle graph if that is needed.
  bool MakeRoom();

  // Adds the graph of a shape that has none, as the last used. Valid as that of Find.
  Graph* Add(GraphKey key, Graph graph);

  // Removes all graphs, and no notes.
  void Clear() { entries_.clear(); }

  int64_t size() const { return static_cast<int64_t>(entries_.size()); }
  const GraphLimits& limits() const { return limits_; }

 private:
  static constexpr int64_t kRemembered = 64;

  struct Entry {
    GraphKey key;
    Graph graph;
    int64_t last_call = 0;
  };

  GraphLimits limits_;
  // Most recently used first.
  std::list<Entry> entries_;
  std::list<std::pair<GraphKey, Note>> notes_;
  int64_t calls_ = 0;
};

template <typename Graph, typename Note>
Graph* GraphTable<Graph, Note>::Find(const GraphKey& key) {
  ++calls_;
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.key == key; });
  if (found == entries_.end()) return nullptr;
  found->last_call = calls_;
  entries_.splice(entries_.begin(), entries_, found);
  return &entries_.front().graph;
}

template <typename Graph, typename Note>
Note& GraphTable<Graph, Note>::Visit(const GraphKey& key) {
  const auto found = std::find_if(notes_.begin(), notes_.end(),
                                  [&](const auto& note) { return note.first == key; });
  if (found != notes_.end()) {
    notes_.splice(notes_.begin(), notes_, found);
    return notes_.front().second;
  }
  notes_.emplace_front(key, Note());
  const auto count = static_cast<int64_t>(notes_.size());
  if (count > kRemembered + 2 * limits_.max_graphs) notes_.pop_back();
  return notes_.front().second;
}

template <typename Graph, typename Note>
bool GraphTable<Graph, Note>::MakeRoom() {
  if (size() < limits_.max_graphs) return true;
  if (entries_.empty() || calls_ - entries_.back().last_call <= limits_.idle_calls) return false;
  entries_.pop_back();
  return true;
}

template <typename Graph, typename Note>
Graph* GraphTable<Graph, Note>::Add(GraphKey key, Graph graph) {
  entries_.push_front({std::move(key), std::move(graph), calls_});
  return &entries_.front().graph;
}

}  // namespace rcnn

#endif  // RCNN_BASE_GRAPH_TABLE_H_

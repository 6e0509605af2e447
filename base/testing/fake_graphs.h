// Graphs for the CPU while it exists, in place of CUDA's: they do their work again at each replay,
// and put its results where the first ones are. Like CUDA's library it does the work before it
// records. For a use see base/graphed_function_test.cc.

#ifndef RCNN_BASE_TESTING_FAKE_GRAPHS_H_
#define RCNN_BASE_TESTING_FAKE_GRAPHS_H_

#include <ATen/core/Tensor.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "rcnn/base/device_graph.h"

namespace rcnn::testing {

class FakeGraphs {
 public:
  FakeGraphs() {
    recorded_ = replayed_ = 0;
    fails_ = exhausted_ = false;
    SetDeviceGraphLibrary(&kLibrary);
  }
  ~FakeGraphs() { SetDeviceGraphLibrary(nullptr); }
  FakeGraphs(const FakeGraphs&) = delete;
  FakeGraphs& operator=(const FakeGraphs&) = delete;

  // Calls of the library that recorded one work or several.
  int64_t recorded() const { return recorded_; }
  // Of each graph.
  int64_t replayed() const { return replayed_; }

  // Makes every recording throw from now on.
  void Fail() { fails_ = true; }
  // Makes every replay throw from now on, as if memory had run out.
  void Exhaust() { exhausted_ = true; }

 private:
  class Graph : public DeviceGraph {
   public:
    explicit Graph(GraphedWork work) : work_(std::move(work)), results_(work_()) {}

    const std::vector<at::Tensor>& Replay() override {
      if (exhausted_) throw std::runtime_error("CUDA out of memory");
      const std::vector<at::Tensor> now = work_();
      for (size_t i = 0; i < now.size(); ++i) results_[i].copy_(now[i]);
      ++replayed_;
      return results_;
    }

   private:
    const GraphedWork work_;
    std::vector<at::Tensor> results_;
  };

  static std::vector<std::unique_ptr<DeviceGraph>> Record(const c10::Device&,
                                                          const std::vector<GraphedWork>& works) {
    for (const GraphedWork& work : works) work();
    if (fails_) throw std::runtime_error("the stream is not capturing");
    ++recorded_;
    std::vector<std::unique_ptr<DeviceGraph>> graphs;
    for (const GraphedWork& work : works) graphs.push_back(std::make_unique<Graph>(work));
    return graphs;
  }

  static constexpr DeviceGraphLibrary kLibrary = {c10::DeviceType::CPU, &Record};
  static inline std::atomic<int64_t> recorded_ = 0, replayed_ = 0;
  static inline std::atomic<bool> fails_ = false, exhausted_ = false;
};

}  // namespace rcnn::testing

#endif  // RCNN_BASE_TESTING_FAKE_GRAPHS_H_

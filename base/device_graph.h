// Work of a device that was recorded once and is launched again as a whole: a CUDA graph.
//
// A network of a hundred layers is some hundred launches, which cost the host more time than a fast
// GPU needs to compute them. A graph is one launch. It computes the same operations on the same
// memory, so results are the same bits.
//
// The library that records registers itself: //ops/cuda, which programs with GPU support link. For
// graphed_function.h and graphed_gradient.h, which decide what is recorded, and for tests, which
// register a library for the CPU.
//
// Example:
//   const DeviceGraphLibrary* const library = FindDeviceGraphLibrary(device.type());
//   if (library != nullptr) graphs = library->record(device, {work});

#ifndef RCNN_BASE_DEVICE_GRAPH_H_
#define RCNN_BASE_DEVICE_GRAPH_H_

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/DeviceType.h>

#include <functional>
#include <memory>
#include <vector>

namespace rcnn {

// Reads and writes memory that lasts as long as the graph, and returns its results. May not wait
// for the device, copy from or to the host, or depend on anything of the host that changes. A
// backward pass may be part of it: autograd's threads queue it on the stream of the forward pass.
using GraphedWork = std::function<std::vector<at::Tensor>()>;

class DeviceGraph {
 public:
  virtual ~DeviceGraph() = default;

  // Queues the work on the caller's stream. Returns its results, in the same memory each time.
  virtual const std::vector<at::Tensor>& Replay() = 0;
};

struct DeviceGraphLibrary {
  c10::DeviceType device = c10::DeviceType::CUDA;

  // Does all `works`, in turn, once or more, so that their libraries choose their algorithms, and
  // then records each as a graph of its own without doing it. A work may use what those before it
  // have made: their graphs share memory, and are replayed in the same order. Throws on errors,
  // after which the device can be used as before.
  std::vector<std::unique_ptr<DeviceGraph>> (*record)(
      const c10::Device& device, const std::vector<GraphedWork>& works) = nullptr;
};

// Replaces an earlier library; null: none. `library` must outlive all graphs. Returns true.
bool SetDeviceGraphLibrary(const DeviceGraphLibrary* library);

// Null if there is none for this type of device.
const DeviceGraphLibrary* FindDeviceGraphLibrary(c10::DeviceType device);

}  // namespace rcnn

#endif  // RCNN_BASE_DEVICE_GRAPH_H_

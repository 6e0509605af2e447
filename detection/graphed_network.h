// The part of a detector whose shapes follow from those of the images: backbone, pyramid and the
// network of the RPN. On a GPU it is launched as a graph for the sizes that come often
// (base/graphed_function.h).
//
// Images of different sizes are computed one by one, as in FasterRcnn, so that a size has the same
// graph in every batch. For inference: no gradients are recorded.
//
// Example:
//   GraphedNetwork network(*model, /*max_graphs=*/8);
//   std::vector<Detections> found = network.Detect(images, sizes, original_sizes);

#ifndef RCNN_DETECTION_GRAPHED_NETWORK_H_
#define RCNN_DETECTION_GRAPHED_NETWORK_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <exception>
#include <vector>

#include "rcnn/base/exception_status.h"
#include "rcnn/base/graphed_function.h"
#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/detections.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/targets.h"
#include "rcnn/ops/boxes.h"

namespace rcnn::detection {

class GraphedNetwork {
 public:
  // `model` is in evaluation mode and outlives this. Its tensors stay where they are: it is not
  // moved, trained, or prepared for inference (layers.h) meanwhile. At most `max_graphs` sizes have
  // a graph; 0: none.
  GraphedNetwork(const FasterRcnn& model, int64_t max_graphs);

  // The bits of FasterRcnn::ComputeNetwork. Thread-safe. Throws what it throws.
  NetworkOutput Forward(BatchMap images);

  // The bits of FasterRcnn::Detect. Thread-safe. Throws what it throws.
  std::vector<Detections> Detect(BatchMap images, const InputSizes& sizes,
                                 const std::vector<ops::ImageSize>& original_sizes);

  // Returns work(), which uses this network. If memory runs out, graphs give theirs back
  // (GraphedFunction::FreeGraphs), and where there were any work() is called once more. Thread-safe
  // if `work` is. Throws what it throws.
  template <typename Work>
  auto WithinMemory(const Work& work) -> decltype(work()) {
    const int64_t freed = num_freed();
    try {
      return work();
    } catch (const std::exception& error) {
      if (!IsOutOfMemory(error)) throw;
      FreeGraphs();
      if (num_freed() == freed) throw;
    }
    return work();
  }

  // See GraphedFunction.
  void FreeGraphs() { function_.FreeGraphs(); }
  int64_t num_freed() const { return function_.num_freed(); }
  int64_t num_graphs() const { return function_.num_graphs(); }

 private:
  const FasterRcnn& model_;
  GraphedFunction function_;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_GRAPHED_NETWORK_H_

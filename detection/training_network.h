// The part of a detector in training whose shapes follow from those of the images: backbone,
// pyramid and the network of the RPN, with their gradients. On a GPU it is launched as two graphs,
// of the forward and the backward pass, for the sizes that come often (base/graphed_gradient.h).
// graphed_network.h is for inference.
//
// What comes after it, proposals, RoIs, the head and the losses, is computed as usual.
//
// A batch whose images differ in size has a graph for all of them together, since gradients of
// weights are added up over the images of a layer. So its sizes, in their order, must come again.
//
// Example:
//   TrainingNetwork network(model, /*max_graphs=*/4);
//   Losses losses = model->ComputeLosses(network.Forward(images), {sizes, truths}, generator);
//   losses.Total().backward();

#ifndef RCNN_DETECTION_TRAINING_NETWORK_H_
#define RCNN_DETECTION_TRAINING_NETWORK_H_

#include <cstdint>
#include <memory>

#include "rcnn/base/graphed_gradient.h"
#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/faster_rcnn.h"

namespace rcnn::detection {

class TrainingNetwork {
 public:
  // `model` has been moved to its device and frozen as in the training to come, and no batch norm
  // of the network is trained, as a recording would change its statistics. At most `max_graphs`
  // sizes have graphs; 0: none. Frozen norms and weights must not change while there are graphs,
  // which hold what was computed from them; FreeGraphs first.
  TrainingNetwork(std::shared_ptr<const FasterRcnn> model, int64_t max_graphs);
  TrainingNetwork(const TrainingNetwork&) = delete;
  TrainingNetwork& operator=(const TrainingNetwork&) = delete;

  // FasterRcnn::ComputeNetwork, for one backward pass. Losses have the same bits, and so have all
  // gradients if each map and each output of the RPN is used by one operator, as FasterRcnn uses
  // them without branches. Maps and outputs are overwritten after that backward pass. Throws what
  // ComputeNetwork throws.
  NetworkOutput Forward(const BatchMap& images);

  // See GraphedGradient.
  bool FreeGraphs() { return function_.FreeGraphs(); }
  int64_t num_graphs() const { return function_.num_graphs(); }

 private:
  const std::shared_ptr<const FasterRcnn> model_;
  GraphedGradient function_;
};

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_TRAINING_NETWORK_H_

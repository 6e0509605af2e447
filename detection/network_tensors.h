// A network's output as a list of tensors, which a graph returns (base/graphed_function.h,
// base/graphed_gradient.h).
//
// Anchors are not among them. They depend on the sizes of the maps alone, so anchor_grid.h places
// them once for each size, from base anchors that are copied from the host, and keeps them; a graph
// would copy and place them at each launch.
//
// Internal to graphed_network and training_network.

#ifndef RCNN_DETECTION_NETWORK_TENSORS_H_
#define RCNN_DETECTION_NETWORK_TENSORS_H_

#include <ATen/core/Tensor.h>

#include <vector>

#include "rcnn/detection/batch_map.h"
#include "rcnn/detection/faster_rcnn.h"

namespace rcnn::detection {

// Computes FasterRcnn::ComputeNetwork, with the same bits. For each part of the P parts of a batch
// the maps [B_p, C, H_l, W_l] of all levels and then, if there is an RPN, logits and deltas of each
// level (RpnHead::Forward).
std::vector<at::Tensor> ComputeTensors(const FasterRcnn& model, const BatchMap& images);

// The output for these images, with anchors, from the list that ComputeTensors has returned for
// images of these sizes.
NetworkOutput AssembleOutput(const FasterRcnn& model, const BatchMap& images,
                             const std::vector<at::Tensor>& tensors);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_NETWORK_TENSORS_H_

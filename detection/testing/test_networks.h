// Networks of every backbone for tests of whole detectors.

#ifndef RCNN_DETECTION_TESTING_TEST_NETWORKS_H_
#define RCNN_DETECTION_TESTING_TEST_NETWORKS_H_

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <memory>
#include <string>
#include <vector>

#include "rcnn/detection/faster_rcnn.h"

namespace rcnn::detection {

// ModelConfigs as text: every backbone, with each norm that treats an image by itself in
// evaluation. The first is the smallest. All anchors and RoIs are sampled, so that nothing depends
// on the order of random draws, if an image has at most 4096 anchors and 128 RoIs.
std::vector<std::string> TestNetworks();

// The one of them that has a feature pyramid on ResNet-18, with batch norms.
std::string TestPyramid();

// The network of a config, of 3 classes and in evaluation mode, with random weights. Biases and
// statistics fill padding with values, and scores are far from equal.
std::shared_ptr<FasterRcnn> MakeTestNetwork(const std::string& config);

// Of the parameters that have one.
std::vector<at::Tensor> Gradients(const torch::nn::Module& module);

}  // namespace rcnn::detection

#endif  // RCNN_DETECTION_TESTING_TEST_NETWORKS_H_

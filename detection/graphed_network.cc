#include "rcnn/detection/graphed_network.h"

#include <ATen/core/grad_mode.h>

#include <utility>

#include "rcnn/detection/network_tensors.h"
#include "rcnn/detection/rpn.h"

namespace rcnn::detection {

GraphedNetwork::GraphedNetwork(const FasterRcnn& model, int64_t max_graphs)
    : model_(model),
      function_([this](const at::Tensor& images) { return ComputeTensors(model_, images); },
                {max_graphs}) {}

NetworkOutput GraphedNetwork::Forward(BatchMap images) {
  const at::NoGradGuard no_grad;
  NetworkOutput output;
  for (const at::Tensor& part : images.parts) {
    NetworkOutput of_part = AssembleOutput(model_, part, function_.Run(part));
    output.maps.parts.push_back(std::move(of_part.maps.parts.front()));
    for (RpnOutput& rpn : of_part.rpn) output.rpn.push_back(std::move(rpn));
  }
  return output;
}

std::vector<Detections> GraphedNetwork::Detect(BatchMap images, const InputSizes& sizes,
                                               const std::vector<ops::ImageSize>& original_sizes) {
  TORCH_CHECK(model_.rpn() != nullptr, "this model has no rpn");
  return model_.Detect(Forward(std::move(images)), sizes, original_sizes);
}

}  // namespace rcnn::detection

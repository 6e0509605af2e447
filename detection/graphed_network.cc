#include "rcnn/detection/graphed_network.h"

#include <ATen/core/grad_mode.h>

#include <cstddef>
#include <utility>

namespace rcnn::detection {
namespace {

// The maps of all levels; then logits and deltas of each, if there is an RPN. Anchors are not among
// them: those of a new size are copied from the host.
std::vector<at::Tensor> Compute(const FasterRcnn& model, const at::Tensor& images) {
  const std::vector<at::Tensor> levels = model.Features(images).levels;
  std::vector<at::Tensor> tensors = levels;
  if (model.rpn() == nullptr) return tensors;
  for (const at::Tensor& map : levels) {
    auto [logits, deltas] = model.rpn()->RpnHead::Forward(map);
    tensors.push_back(std::move(logits));
    tensors.push_back(std::move(deltas));
  }
  return tensors;
}

}  // namespace

GraphedNetwork::GraphedNetwork(const FasterRcnn& model, int64_t max_graphs)
    : model_(model),
      function_([this](const at::Tensor& images) { return Compute(model_, images); },
                {max_graphs}) {}

NetworkOutput GraphedNetwork::Forward(BatchMap images) {
  const at::NoGradGuard no_grad;
  NetworkOutput output;
  for (const at::Tensor& part : images.parts) {
    std::vector<at::Tensor> tensors = function_.Run(part);
    const bool has_rpn = model_.rpn() != nullptr;
    const size_t levels = has_rpn ? tensors.size() / 3 : tensors.size();
    std::vector<std::pair<at::Tensor, at::Tensor>> outputs;
    for (size_t i = levels; i < tensors.size(); i += 2) {
      outputs.emplace_back(std::move(tensors[i]), std::move(tensors[i + 1]));
    }
    tensors.resize(levels);
    if (has_rpn) {
      output.rpn.push_back(model_.rpn()->AddAnchors(outputs, tensors, part.size(2), part.size(3)));
    }
    output.maps.parts.push_back({std::move(tensors), part.size(2), part.size(3)});
  }
  return output;
}

std::vector<Detections> GraphedNetwork::Detect(BatchMap images, const InputSizes& sizes,
                                               const std::vector<ops::ImageSize>& original_sizes) {
  TORCH_CHECK(model_.rpn() != nullptr, "this model has no rpn");
  const NetworkOutput output = Forward(std::move(images));
  const at::Tensor rois =
      model_.rpn()->Propose(output.rpn, sizes, model_.rpn()->config().test_proposals()).rois;
  return model_.Detect(output.maps, rois, sizes, original_sizes);
}

}  // namespace rcnn::detection

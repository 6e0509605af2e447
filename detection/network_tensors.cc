#include "rcnn/detection/network_tensors.h"

#include <cstddef>
#include <utility>

#include "rcnn/detection/rpn.h"

namespace rcnn::detection {

std::vector<at::Tensor> ComputeTensors(const FasterRcnn& model, const BatchMap& images) {
  const BatchFeatures maps = model.Features(images);
  std::vector<at::Tensor> tensors;
  for (const FeatureMaps& part : maps.parts) {
    tensors.insert(tensors.end(), part.levels.begin(), part.levels.end());
    if (model.rpn() == nullptr) continue;
    for (const at::Tensor& map : part.levels) {
      auto [logits, deltas] = model.rpn()->RpnHead::Forward(map);
      tensors.push_back(std::move(logits));
      tensors.push_back(std::move(deltas));
    }
  }
  return tensors;
}

NetworkOutput AssembleOutput(const FasterRcnn& model, const BatchMap& images,
                             const std::vector<at::Tensor>& tensors) {
  NetworkOutput output;
  const bool has_rpn = model.rpn() != nullptr;
  const size_t of_part = tensors.size() / images.parts.size();
  const size_t levels = has_rpn ? of_part / 3 : of_part;
  auto next = tensors.begin();
  for (const at::Tensor& part : images.parts) {
    std::vector<at::Tensor> maps;
    std::vector<std::pair<at::Tensor, at::Tensor>> outputs;
    for (size_t i = 0; i < levels; ++i) maps.push_back(*next++);
    for (size_t i = levels; i < of_part; i += 2) {
      const at::Tensor& logits = *next++;
      outputs.emplace_back(logits, *next++);
    }
    if (has_rpn) {
      output.rpn.push_back(model.rpn()->AddAnchors(outputs, maps, part.size(2), part.size(3)));
    }
    output.maps.parts.push_back({std::move(maps), part.size(2), part.size(3)});
  }
  return output;
}

}  // namespace rcnn::detection

#include "rcnn/detection/borrowed_weights.h"

#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "rcnn/detection/layers.h"

namespace rcnn::detection {

std::function<bool(const std::string& name, const at::Tensor& tensor)> BorrowWeights(
    const torch::nn::Module& model, ReleaseMemory release) {
  std::map<std::string, std::shared_ptr<PreparedLayer>> layers;  // by the names of their weights
  for (const auto& item : model.named_modules("", /*include_self=*/false)) {
    auto layer = std::dynamic_pointer_cast<PreparedLayer>(item.value());
    if (layer != nullptr) layers.emplace(absl::StrCat(item.key(), ".weight"), std::move(layer));
  }
  return [layers = std::move(layers), release = std::move(release)](const std::string& name,
                                                                    const at::Tensor& tensor) {
    const auto found = layers.find(name);
    return found != layers.end() && found->second->BorrowWeight(tensor, release);
  };
}

}  // namespace rcnn::detection

#include "rcnn/detection/conv_chain.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cstddef>

namespace rcnn::detection {

c10::optional<MapSizes> LinkableSizes(const BatchMap& x) {
  if (!at::GradMode::is_enabled()) return c10::nullopt;
  MapSizes sizes;
  for (const at::Tensor& part : x.parts) {
    if (part.dim() != 4 || !part.is_cpu() || part.scalar_type() != at::kFloat) return c10::nullopt;
    sizes.push_back(part.sizes().vec());
  }
  return sizes;
}

MapSizes OutputSizes(const Conv& conv, const MapSizes& x) {
  MapSizes sizes;
  for (const std::vector<int64_t>& part : x) sizes.push_back(conv.OutputSizes(part));
  return sizes;
}

bool CanLinkAll(const std::vector<std::shared_ptr<Conv>>& convs, MapSizes x) {
  for (const auto& conv : convs) {
    for (const std::vector<int64_t>& part : x) {
      if (!conv->CanLink(part)) return false;
    }
    x = OutputSizes(*conv, x);
  }
  return true;
}

bool LinksChain(const std::vector<std::shared_ptr<Conv>>& convs, const BatchMap& x) {
  const c10::optional<MapSizes> sizes = LinkableSizes(x);
  return sizes && CanLinkAll(convs, *sizes) &&
         std::all_of(convs.begin(), convs.end(), [](const std::shared_ptr<Conv>& conv) {
           return conv->options().activation == Activation::kRelu;
         });
}

BatchMap ForwardChain(const std::vector<std::shared_ptr<Conv>>& convs, BatchMap x,
                      bool output_is_masked) {
  if (!LinksChain(convs, x)) {
    TORCH_CHECK(!output_is_masked, "convolutions that cannot be linked");
    for (const auto& conv : convs) x = conv->Forward(x);
    return x;
  }
  for (size_t i = 0; i < convs.size(); ++i) {
    const bool is_last = i + 1 == convs.size();
    x = convs[i]->ForwardLinked(x, {}, {!is_last || output_is_masked, /*masks_input=*/i > 0});
  }
  return x;
}

}  // namespace rcnn::detection

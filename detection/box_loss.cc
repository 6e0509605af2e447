#include "rcnn/detection/box_loss.h"

#include <utility>

#include "rcnn/base/registry.h"

namespace rcnn::detection {
namespace {

constexpr char kSmoothL1[] = "smooth_l1";

Registry<BoxLoss>& BoxLosses() {
  static auto* const losses = [] {
    auto* const registry = new Registry<BoxLoss>();
    registry->Add(kSmoothL1, nullptr);
    return registry;
  }();
  return *losses;
}

}  // namespace

bool RegisterBoxLoss(const std::string& name, BoxLoss loss) {
  return BoxLosses().Add(name, std::move(loss));
}

absl::StatusOr<const BoxLoss*> FindBoxLoss(const std::string& field, const std::string& name) {
  if (name == kSmoothL1) return nullptr;
  return BoxLosses().Find(field, name);
}

}  // namespace rcnn::detection

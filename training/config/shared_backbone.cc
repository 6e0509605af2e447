#include "rcnn/training/config/shared_backbone.h"

#include <algorithm>

namespace rcnn::training {
namespace {

template <typename Strings>
bool Holds(const Strings& strings, const char* wanted) {
  return std::find(strings.begin(), strings.end(), wanted) != strings.end();
}

bool Takes(const configs::InitConfig& init, bool has_fpn) {
  return init.part().empty() ||
         (Holds(init.part(), "backbone") && (!has_fpn || Holds(init.part(), "fpn")));
}

bool TouchesPartly(const configs::InitConfig& init) {
  return std::any_of(init.part().begin(), init.part().end(), [](const std::string& part) {
    return part.rfind("backbone", 0) == 0 || part.rfind("fpn", 0) == 0;
  });
}

}  // namespace

std::string BackboneOrigin(const configs::ExperimentConfig& config, const std::string& name) {
  const bool has_fpn = config.model().has_fpn();
  const auto stage = std::find_if(config.stages().begin(), config.stages().end(),
                                  [&](const auto& one) { return one.name() == name; });
  if (stage == config.stages().end()) return name;
  if (!Holds(stage->freeze(), "backbone") || (has_fpn && !Holds(stage->freeze(), "fpn"))) {
    return name;
  }
  // The last source that provides the backbone decides.
  for (int i = stage->init_size() - 1; i >= 0; --i) {
    const configs::InitConfig& init = stage->init(i);
    if (Takes(init, has_fpn)) {
      return init.has_stage() ? BackboneOrigin(config, init.stage()) : "(pretrained)";
    }
    if (TouchesPartly(init)) return name;
  }
  return name;
}

}  // namespace rcnn::training

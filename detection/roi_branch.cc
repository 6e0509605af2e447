#include "rcnn/detection/roi_branch.h"

#include <utility>

#include "rcnn/base/registry.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::detection {
namespace {

Registry<RoiBranchFactory>& Branches() {
  static auto* const branches = new Registry<RoiBranchFactory>();
  return *branches;
}

}  // namespace

bool RegisterRoiBranch(const std::string& name, RoiBranchFactory make) {
  return Branches().Add(name, std::move(make));
}

absl::StatusOr<std::shared_ptr<RoiBranch>> MakeRoiBranch(const RoiBranchInput& input) {
  RCNN_ASSIGN_OR_RETURN(const RoiBranchFactory* make,
                        Branches().Find("branch.name", input.config.name()));
  return (*make)(input);
}

}  // namespace rcnn::detection

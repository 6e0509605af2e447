#include "rcnn/detection/roi_branch.h"

#include <utility>

#include "rcnn/base/registry.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::detection {
namespace {

Registry<MakeRoiBranch>& Branches() {
  static auto* const branches = new Registry<MakeRoiBranch>();
  return *branches;
}

}  // namespace

bool RegisterRoiBranch(const std::string& name, MakeRoiBranch make) {
  return Branches().Add(name, std::move(make));
}

absl::StatusOr<std::shared_ptr<RoiBranch>> BuildRoiBranch(const RoiBranchInput& input) {
  RCNN_ASSIGN_OR_RETURN(const MakeRoiBranch* make,
                        Branches().Find("branch.name", input.config.name()));
  return (*make)(input);
}

}  // namespace rcnn::detection

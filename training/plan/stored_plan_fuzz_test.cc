// Any bytes as what a stored plan was made from.

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "rcnn/base/testing/fuzz_folder.h"
#include "rcnn/training/plan/stored_plan.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const rcnn::testing::FuzzFolder folder;
  static const std::string plan = folder.Write("plan.textproto", "");
  folder.Write("plan_basis.textproto",
               absl::string_view(reinterpret_cast<const char*>(data), size));
  const auto stored = rcnn::training::ReadStoredPlan(folder.path());
  if (stored.ok() && stored->has_value()) {
    (void)rcnn::training::PlanChanges((*stored)->basis, {});
  }
  return 0;
}

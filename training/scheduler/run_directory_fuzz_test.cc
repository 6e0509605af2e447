// Any bytes as the experiment that a run directory holds: it has the name of one experiment at
// most.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "rcnn/base/experiment_copy.h"
#include "rcnn/base/testing/fuzz_folder.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/training/scheduler/run_directory.h"

namespace {

bool BelongsTo(const char* name, const rcnn::testing::FuzzFolder& folder) {
  rcnn::configs::ExperimentConfig config;
  config.set_name(name);
  return rcnn::training::RunDirectory::OpenReadOnly(folder.path(), config).ok();
}

// The same bytes as the second copy, which has one form.
void CheckCopy(absl::string_view bytes) {
  const auto text = rcnn::ParseExperimentCopy(bytes);
  if (text.ok() && rcnn::ExperimentCopyText(*text) != bytes) std::abort();
  const auto again = rcnn::ParseExperimentCopy(rcnn::ExperimentCopyText(bytes));
  if (!again.ok() || *again != bytes) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const rcnn::testing::FuzzFolder folder;
  folder.Write("experiment.textproto",
               absl::string_view(reinterpret_cast<const char*>(data), size));
  if (BelongsTo("sample", folder) && BelongsTo("other", folder)) std::abort();
  CheckCopy(absl::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}

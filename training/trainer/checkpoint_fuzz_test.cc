// Any bytes as the manifest of a checkpoint whose weights are missing: it is never taken for
// a whole one.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "rcnn/base/testing/fuzz_folder.h"
#include "rcnn/training/trainer/checkpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const rcnn::testing::FuzzFolder folder;
  folder.Write("checkpoint-3/manifest.json",
               absl::string_view(reinterpret_cast<const char*>(data), size));
  const rcnn::training::CheckpointStore store(folder.path(), "0123456789abcdef0123456789abcdef");
  std::vector<std::string> problems;
  const auto latest = store.ReadLatest(&problems);
  if (!latest.ok() || latest->has_value() || problems.size() != 1) std::abort();
  const auto found = store.Verify();
  if (!found.ok() || found->damage.size() != 1 || !found->facts.empty()) std::abort();
  return 0;
}

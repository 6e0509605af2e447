// Any bytes as the TensorBoard file of a resumed run: removing events succeeds, and doing so
// again changes nothing.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fuzz_folder.h"
#include "rcnn/training/trainer/event_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using rcnn::training::RemoveEvents;
  static const rcnn::testing::FuzzFolder folder;
  const std::string path =
      folder.Write("events.out.tfevents.1.host.1.1.fuzz",
                   absl::string_view(reinterpret_cast<const char*>(data), size));
  if (!RemoveEvents(folder.path(), "fuzz", 3).ok()) std::abort();
  const std::string once = rcnn::ReadFile(path).value();
  if (once.size() > size || !RemoveEvents(folder.path(), "fuzz", 3).ok()) std::abort();
  if (rcnn::ReadFile(path).value() != once) std::abort();
  return 0;
}

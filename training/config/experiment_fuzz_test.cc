// Any bytes as an experiment: what is read can be written and read again.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "rcnn/training/config/experiment.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using rcnn::training::ExperimentText;
  using rcnn::training::ParseExperiment;
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto config = ParseExperiment(bytes, "fuzz.textproto");
  if (!config.ok()) return 0;
  const std::string text = ExperimentText(*config);
  const auto again = ParseExperiment(text, "written.textproto");
  if (!again.ok() || ExperimentText(*again) != text) std::abort();
  return 0;
}

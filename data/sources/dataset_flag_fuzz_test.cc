// Any bytes as a file with a DatasetConfig: what is read can be written and read again.

#include <google/protobuf/text_format.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/sources/dataset_flag.h"

namespace {

std::string Text(const rcnn::configs::DatasetConfig& config) {
  std::string text;
  google::protobuf::TextFormat::PrintToString(config, &text);
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using rcnn::data::ParseDatasetConfig;
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto config = ParseDatasetConfig(bytes, "fuzz.textproto");
  if (!config.ok()) return 0;
  const std::string text = Text(*config);
  const auto again = ParseDatasetConfig(text, "written.textproto");
  if (!again.ok() || Text(*again) != text) std::abort();
  return 0;
}

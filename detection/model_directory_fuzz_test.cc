// Any bytes as the detector.textproto beside weights with all metadata.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "rcnn/base/testing/fuzz_folder.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/detection/model_directory.h"
#include "rcnn/detection/model_metadata.h"
#include "rcnn/detection/weights/state_dict.h"
#include "rcnn/detection/weights/weights_file.h"

namespace {

using rcnn::detection::weights::StateDict;

rcnn::configs::DetectorConfig TwoClasses() {
  rcnn::configs::DetectorConfig config;
  config.mutable_model()->mutable_head();
  config.add_class_name("cat");
  config.add_class_name("dog");
  return config;
}

bool WriteWeights(const rcnn::testing::FuzzFolder& folder) {
  StateDict weights;
  rcnn::detection::SetModelMetadata(TwoClasses(), weights.metadata());
  return rcnn::detection::weights::SaveStateDict(
             weights, folder.path() + "/" + rcnn::detection::kModelWeightsFile)
      .ok();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const rcnn::testing::FuzzFolder folder;
  static const bool has_weights = WriteWeights(folder);
  if (!has_weights) std::abort();
  folder.Write(rcnn::detection::kModelConfigFile,
               absl::string_view(reinterpret_cast<const char*>(data), size));
  const auto read = rcnn::detection::ReadModelDirectory(folder.path());
  if (read.ok() && !rcnn::detection::CheckDetectorConfig(read->config).ok()) std::abort();
  return 0;
}

#include "rcnn/training/config/experiment.h"

#include <google/protobuf/text_format.h>

#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/configs/textproto.h"
#include "rcnn/training/config/config_override.h"
#include "rcnn/training/config/written_defaults.h"

namespace rcnn::training {
namespace {

constexpr int64_t kMaxConfigBytes = int64_t{1} << 20;

}  // namespace

absl::StatusOr<configs::ExperimentConfig> LoadExperiment(const std::string& path,
                                                         const ExperimentOptions& options) {
  RCNN_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, {.max_bytes = kMaxConfigBytes}));
  return ParseExperiment(text, path, options);
}

absl::StatusOr<configs::ExperimentConfig> ParseExperiment(absl::string_view text,
                                                          absl::string_view source,
                                                          const ExperimentOptions& options) {
  configs::ExperimentConfig config;
  RCNN_RETURN_IF_ERROR(configs::ParseTextproto(text, source, &config));
  for (const std::string& assignment : options.overrides) {
    RCNN_RETURN_IF_ERROR(ApplyOverride(assignment, &config));
  }
  return config;
}

std::string ExperimentText(const configs::ExperimentConfig& config) {
  configs::ExperimentConfig written = config;
  WriteDefaults(&written);
  std::string text;
  google::protobuf::TextFormat::PrintToString(written, &text);
  return text;
}

}  // namespace rcnn::training

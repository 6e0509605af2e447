// Loads a trained detector for //tools:detect, with other limits.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(auto detector, LoadDetector("runs/cells", {.min_score = 0.3}));

#ifndef RCNN_TOOLS_DETECT_MODEL_H_
#define RCNN_TOOLS_DETECT_MODEL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/detection/detector.h"

namespace rcnn::tools {

struct DetectorLimits {
  // Replaces the model's limit: detections have a higher score than this, in [0,
  // 1).
  std::optional<double> min_score = std::nullopt;
  // Replaces the model's limit on detections per image, >= 1.
  std::optional<int64_t> max_per_image = std::nullopt;
};

// `path`: a model directory, a run directory of the stage scheduler, or the weights
// file. Errors say what is wrong and what is expected.
absl::StatusOr<std::unique_ptr<detection::Detector>> LoadDetector(
    const std::string& path, const DetectorLimits& limits = {});

// OK for "float32". kInvalidArgument for anything else: on the CPU the detector's
// packed convolutions exist only for float32.
absl::Status CheckPrecision(const std::string& precision);

}  // namespace rcnn::tools

#endif  // RCNN_TOOLS_DETECT_MODEL_H_

// Loads a trained detector for //tools:detect, with other limits.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(auto detector, LoadDetector("runs/cells", {.min_score = 0.3}));
//   RCNN_ASSIGN_OR_RETURN(auto fast, LoadDetector("runs/cells", {},
//   {detection::Precision::kBfloat16}));

#ifndef RCNN_TOOLS_DETECT_MODEL_H_
#define RCNN_TOOLS_DETECT_MODEL_H_

#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "rcnn/detection/convolution/precision.h"
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
// file. Errors say what is wrong and what is expected. kDataLoss if the files of a run differ from
// what its finished stage has recorded (base/recorded_result.h).
absl::StatusOr<std::unique_ptr<detection::Detector>> LoadDetector(
    const std::string& path, const DetectorLimits& limits = {},
    const detection::DetectorOptions& options = {});

// The value of --precision, "float32" or "bfloat16". kInvalidArgument for anything else.
absl::StatusOr<detection::Precision> ReadPrecision(const std::string& name);

// The value of --device, "cpu", "cuda" or "cuda:1". kInvalidArgument for anything else; the errors
// of CheckDevice (base/device.h) if this process cannot use it.
absl::StatusOr<c10::Device> FindDevice(const std::string& name);

// What to tell the user if there are no instructions for `precision` at the level in force
// (base/instruction_level.h), and whether the processor or the user is the cause; "" if there are.
std::string PrecisionNotice(detection::Precision precision);

}  // namespace rcnn::tools

#endif  // RCNN_TOOLS_DETECT_MODEL_H_

// What //tools:detect does, without its flags.

#ifndef RCNN_TOOLS_DETECT_RUN_H_
#define RCNN_TOOLS_DETECT_RUN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace rcnn::tools {

struct DetectOptions {
  std::string model;
  // Files, folders, patterns; see detect_inputs.h.
  std::vector<std::string> inputs;
  // Is made: detections.json, images.json, detections.csv, and drawn/ with the images.
  std::string output;
  // Objects score higher than this, in [0, 1). Default: 0.5; with ids_of, 0.5 for what is drawn
  // and counted, and the model's own limit for the files, as metrics need them all.
  std::optional<double> score_threshold = std::nullopt;
  // 0: the model's own limit.
  int64_t max_per_image = 0;
  std::string precision = "float32";
  // A dataset (eval/load_ground_truth.h) whose numbers of images and classes the results
  // are to have; images that are not of it are left out. "": own numbers.
  std::string ids_of = {};
  bool draw = true;
  // Turns images as EXIF says. Default: yes, unless ids_of is given, whose annotations are for
  // images as stored.
  std::optional<bool> exif_orientation = std::nullopt;
  // Prints errors only.
  bool quiet = false;
};

// Prints tables to stdout, progress and images that failed to stderr, and returns how many
// inputs failed. An error if nothing could be begun, or results not be written.
// kCancelled after a shutdown request, when the results of the images done are written.
absl::StatusOr<int64_t> RunDetect(const DetectOptions& options);

}  // namespace rcnn::tools

#endif  // RCNN_TOOLS_DETECT_RUN_H_

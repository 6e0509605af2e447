// The work of //tools:detect, without its flags.

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
  // Created: detections.json, images.json, detections.csv, drawn/ with the images, and
  // manifest.json, which lists them.
  std::string output;
  // Whether results of an earlier run in `output` are deleted; otherwise they are an error.
  bool overwrite = false;
  // Detections have a higher score than this, in [0, 1). Default: 0.5; with ids_of 0.5 applies
  // to drawings and counts, and the model's own limit to the files, because metrics need all
  // detections.
  std::optional<double> score_threshold = std::nullopt;
  // 0: the model's own limit.
  int64_t max_per_image = 0;
  // Images that go through the network together, in [1, 256].
  int64_t batch = 1;
  // "cpu", "cuda" or "cuda:1".
  std::string device = "cpu";
  // "float32" or "bfloat16".
  std::string precision = "float32";
  // On a GPU: sizes of images with a graph (detection/graphed_network.h), in [0, 1000].
  int64_t inference_graphs = 0;
  // Folder for packed weights (detection/packed_cache.h). "": none.
  std::string packed_cache = {};
  // A dataset (eval/load_ground_truth.h) whose image and class ids the results use;
  // other images are left out. "": new ids.
  std::string ids_of = {};
  bool draw = true;
  // Whether images are turned as their EXIF data say, for the network and in the results.
  // Default: results refer to the turned view, and the network sees images as in training
  // (DetectorInputConfig.exif_applied); with ids_of both follow the dataset.
  std::optional<bool> exif_orientation = std::nullopt;
  // Print errors only, and PrecisionNotice (detect_model.h).
  bool quiet = false;
};

// Prints tables to stdout, and progress and failed images to stderr; returns the number of
// failed inputs. An error if nothing could start or results could not be written.
// kCancelled after a shutdown request; the results of finished images are then written.
absl::StatusOr<int64_t> RunDetect(const DetectOptions& options);

}  // namespace rcnn::tools

#endif  // RCNN_TOOLS_DETECT_RUN_H_

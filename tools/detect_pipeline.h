// Reads images, detects objects, and draws them.
//
// While the network processes one image, or a batch of several, the next ones are read and the
// previous ones are drawn. An image that cannot be read, or on which the network fails, is reported
// and skipped; a file that cannot be written is an error.

#ifndef RCNN_TOOLS_DETECT_PIPELINE_H_
#define RCNN_TOOLS_DETECT_PIPELINE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rcnn/detection/detector.h"
#include "rcnn/tools/detect_results.h"

namespace rcnn::tools {

struct ImageJob {
  std::string path;
  std::string name;  // in results
  int64_t image_id = 0;
  // JPEG file for the image with its boxes, in a folder that is created; "": none.
  std::string drawn;
  // Whether the image is turned as its EXIF data say: for the network, and for the
  // coordinates and the drawing.
  bool network_sees_turned = false;
  bool result_is_turned = false;
};

struct PipelineOptions {
  // Detections with a higher score than this are drawn.
  double min_drawn_score = 0.5;
  // Show neither a progress bar nor notices, of memory or of batches that fail.
  bool quiet = false;
  // Images that go through the network together, >= 1. If it fails on them together, they go
  // through one by one, with a notice for the first batch of them.
  int64_t batch = 1;
  // An image that takes more bytes is announced before it is read, if none before took as many.
  int64_t announced_bytes = 1'000'000'000;
};

struct PipelineResult {
  // In the order of the jobs, without failed ones.
  std::vector<ImageResult> images;
  // "PATH: what is wrong".
  std::vector<std::string> problems;
  absl::Duration time;
  absl::Duration network_time;
  // A shutdown was requested before the last image.
  bool stopped = false;
};

// Processes the jobs in order, until a shutdown is requested. Fails only if a drawing cannot be
// written.
absl::StatusOr<PipelineResult> DetectAll(const detection::Detector& detector,
                                         const std::vector<ImageJob>& jobs,
                                         const PipelineOptions& options);

}  // namespace rcnn::tools

#endif  // RCNN_TOOLS_DETECT_PIPELINE_H_

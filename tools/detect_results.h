// Detections as files and as tables.
//
//   detections.json   COCO results, for //eval:evaluate and COCO's own tools
//   images.json       the image or class of each id: a COCO instances file without
//                     annotations, which labelling tools can open
//   detections.csv    the same for spreadsheets, a line for each detection

#ifndef RCNN_TOOLS_DETECT_RESULTS_H_
#define RCNN_TOOLS_DETECT_RESULTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "rcnn/eval/detections.h"

namespace rcnn::tools {

struct FoundObject {
  int64_t label = 0;  // 1..K
  double score = 0;
  double x1 = 0, y1 = 0, x2 = 0, y2 = 0;  // pixels
};

struct ImageResult {
  std::string name;
  int64_t image_id = 0;
  int64_t width = 0, height = 0;
  std::vector<FoundObject> objects;  // best first
  double seconds = 0;                // in the network
};

struct ResultClasses {
  std::vector<std::string> names;     // of labels 1..K
  std::vector<int64_t> category_ids;  // of the same
};

// All detections in the order of the images, as COCO results.
eval::Detections ToDetections(const std::vector<ImageResult>& images, const ResultClasses& classes);

// The text of images.json. Bytes of a name that are not UTF-8 become U+FFFD.
std::string ImagesJson(const std::vector<ImageResult>& images, const ResultClasses& classes);

// With a header, as in RFC 4180 except that lines end in a line feed: image_id, file,
// class, score, and x1, y1, x2, y2 in pixels.
std::string DetectionsCsv(const std::vector<ImageResult>& images, const ResultClasses& classes);

// A row for each class, found or not, for detections with a score above
// `min_score`: their number, the number of images, mean and best score.
std::string ClassTable(const std::vector<ImageResult>& images, const ResultClasses& classes,
                       double min_score);

// A row for each of the first `max_rows` images: its size, and "3 cat, 1 dog".
std::string ImageTable(const std::vector<ImageResult>& images, const ResultClasses& classes,
                       double min_score, int64_t max_rows);

// Writes the three files into `folder`, which exists.
absl::Status WriteResults(const std::string& folder, const std::vector<ImageResult>& images,
                          const ResultClasses& classes);

}  // namespace rcnn::tools

#endif  // RCNN_TOOLS_DETECT_RESULTS_H_

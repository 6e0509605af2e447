// Drawings of an evaluation: single images of the worst errors, and contact sheets.
//
// Example:
//   RCNN_RETURN_IF_ERROR(WriteWorstImages(truth, detections,
//                                         {.images_folder = "val2017", .out_folder = "worst"}));

#ifndef RCNN_EVAL_CONTACT_SHEET_H_
#define RCNN_EVAL_CONTACT_SHEET_H_

#include <cstdint>
#include <opencv2/core.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/eval/detections.h"
#include "rcnn/eval/drawing.h"
#include "rcnn/eval/ground_truth.h"
#include "rcnn/eval/image_errors.h"

namespace rcnn::eval {

struct Tile {
  cv::Mat image;
  // Two lines below the image: a name, and its errors.
  std::string name;
  std::string text;
};

// Lays tiles out in rows, each image fitted into a cell of equal size, below a title and
// the legend of the colours (drawing.h). Never empty.
cv::Mat ContactSheet(const std::string& title, const std::vector<Tile>& tiles);

struct WorstImagesOptions {
  // Folder that GroundTruthImage::file is relative to; "": paths are used
  // unchanged.
  std::string images_folder;
  // Created if missing.
  std::string out_folder;
  int64_t count = 12;
  // Detections with at least this score are drawn and classified.
  double min_score = 0.5;
};

// The boxes of one image: misses and hits at the bottom, false positives on top.
std::vector<LabelledBox> BoxesToDraw(const ImageErrors& errors, const GroundTruth& truth,
                                     const Detections& detections);

// Writes OUT/01_NAME.jpg, 02_..., the worst first, and OUT/contact_sheet.jpg.
// kInvalidArgument for a file name that is missing or leads out of the folder; errors of
// reading name the image.
absl::Status WriteWorstImages(const GroundTruth& truth, const Detections& detections,
                              const WorstImagesOptions& options);

struct SampleSheetOptions {
  // Spread evenly over the dataset.
  int64_t count = 12;
  // Detections with at least this score are drawn and classified.
  double min_score = 0.5;
};

// Writes one JPEG with a sample of all images, good and bad, of any dataset, with
// or without files. Errors of reading an image name it.
absl::Status WriteSampleSheet(const data::Dataset& dataset, const Detections& detections,
                              const std::string& path, const SampleSheetOptions& options = {});

}  // namespace rcnn::eval

#endif  // RCNN_EVAL_CONTACT_SHEET_H_

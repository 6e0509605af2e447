// Numbers of images and classes in results: those of a dataset, or our own.
//
// A results file names images and classes by number, and means nothing without the
// file that says which they are. Our own numbers count 1, 2, ... and go into images.json
// beside the results; those of a dataset make the results ready for //eval:evaluate.

#ifndef RCNN_TOOLS_DETECT_IDS_H_
#define RCNN_TOOLS_DETECT_IDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/eval/ground_truth.h"

namespace rcnn::tools {

struct ResultIds {
  // Of each image; none for one that is not of the dataset.
  std::vector<std::optional<int64_t>> images;
  // Of classes 1..K in order.
  std::vector<int64_t> categories;
};

// 1, 2, ... for both.
ResultIds CountedIds(int64_t images, int64_t classes);

// The ids in `truth`. An image is the image whose file is the end of its path, folder
// by folder and without the extension; else the only one of that name. `source` names
// the dataset in errors.
//
// kInvalidArgument, naming them, if two images are one image, if no image is an image
// of the dataset, or if a class is none of its categories.
absl::StatusOr<ResultIds> IdsOfDataset(const eval::GroundTruth& truth, const std::string& source,
                                       const std::vector<std::string>& paths,
                                       const std::vector<std::string>& class_names);

}  // namespace rcnn::tools

#endif  // RCNN_TOOLS_DETECT_IDS_H_

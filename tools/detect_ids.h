// The ids of images and classes in results: those of a dataset, or new ones.
//
// A results file refers to images and classes by id, and is meaningless without the file
// that defines the ids. New ids count 1, 2, ... and are written to images.json next to
// the results; the ids of a dataset make the results ready for //eval:evaluate.

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
  // Per image; nullopt for an image that is not in the dataset.
  std::vector<std::optional<int64_t>> images;
  // Per image: whether the dataset's boxes refer to the view that its EXIF data ask for.
  std::vector<bool> exif_applied;
  // Per class 1..K, in order.
  std::vector<int64_t> categories;
};

// 1, 2, ... for both.
ResultIds NewIds(int64_t images, int64_t classes);

// The ids in `truth`. A path matches the dataset's image whose file name is the end
// of the path, folder by folder and without the extension; otherwise the only image
// with that base name. `source` names the dataset in errors.
//
// kInvalidArgument, naming them, if two paths match the same image, if no path
// matches an image, or if a class is not one of the categories. The errors of AbsolutePath.
absl::StatusOr<ResultIds> DatasetIds(const eval::GroundTruth& truth, const std::string& source,
                                     const std::vector<std::string>& paths,
                                     const std::vector<std::string>& class_names);

}  // namespace rcnn::tools

#endif  // RCNN_TOOLS_DETECT_IDS_H_

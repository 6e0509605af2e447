#include "rcnn/tools/dataset_detections.h"

#include <ATen/ops/from_blob.h>

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/image/decode_image.h"

namespace rcnn::tools {
namespace {

// The category ids of labels 1..K.
absl::StatusOr<std::vector<int64_t>> CategoryIds(const std::vector<std::string>& class_names,
                                                 const eval::GroundTruth& truth) {
  std::vector<int64_t> ids;
  for (const std::string& name : class_names) {
    const int64_t index = truth.CategoryIndex(name);
    if (index < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("the detector's class '", name, "' is not a category of the dataset"));
    }
    ids.push_back(truth.categories[static_cast<size_t>(index)].id);
  }
  return ids;
}

absl::StatusOr<detection::Detections> DetectFile(const detection::Detector& detector,
                                                 const std::string& path, bool exif_applied) {
  data::DecodeOptions options;
  options.apply_exif_orientation = exif_applied;
  RCNN_ASSIGN_OR_RETURN(data::Image image, data::ReadImage(path, options));
  const at::Tensor pixels = at::from_blob(
      image.data(), {image.height(), image.width(), data::Image::kChannels}, at::kByte);
  RCNN_ASSIGN_OR_RETURN(detection::Detections found, detector.Detect(pixels), path);
  return found;
}

void Append(const detection::Detections& found, int64_t image_id,
            const std::vector<int64_t>& category_ids, eval::Detections& all) {
  const auto boxes = found.boxes.accessor<float, 2>();
  const auto scores = found.scores.accessor<float, 1>();
  const auto labels = found.labels.accessor<int64_t, 1>();
  for (int64_t i = 0; i < labels.size(0); ++i) {
    eval::Detection detection;
    detection.image_id = image_id;
    detection.category_id = category_ids[static_cast<size_t>(labels[i] - 1)];
    const double x = boxes[i][0], y = boxes[i][1];
    detection.box = {x, y, boxes[i][2] - x, boxes[i][3] - y};
    detection.score = scores[i];
    all.Add(detection);
  }
}

}  // namespace

absl::StatusOr<eval::Detections> DetectDataset(const detection::Detector& detector,
                                               const eval::GroundTruth& truth,
                                               const std::string& folder) {
  RCNN_ASSIGN_OR_RETURN(const auto category_ids, CategoryIds(detector.class_names(), truth));
  eval::Detections all;
  for (const eval::GroundTruthImage& image : truth.images) {
    std::string path = image.file;
    if (!folder.empty()) {
      RCNN_ASSIGN_OR_RETURN(path, JoinInside(folder, image.file));
    }
    RCNN_ASSIGN_OR_RETURN(const detection::Detections found,
                          DetectFile(detector, path, image.exif_applied));
    Append(found, image.id, category_ids, all);
  }
  return all;
}

}  // namespace rcnn::tools

// A dataset that needs no files: images of geometric shapes, generated on demand.
//
// Up to eight classes of shapes (shape.h) in a wide range of sizes, rotated,
// stretched, cut off by the border and covering each other, on a textured
// background with clutter, under varying light, blur and noise. Image and
// annotations are a function of (config, index): nothing is stored, images can be
// requested in any order on any thread, and opening a dataset of a million images
// costs nothing.
//
// Train and evaluate on different seeds.
//
// Example:
//   configs::ShapesConfig config;
//   config.set_seed(1);
//   RCNN_ASSIGN_OR_RETURN(std::unique_ptr<Dataset> dataset, ShapesDataset::Create(config));

#ifndef RCNN_DATA_SHAPES_SHAPES_DATASET_H_
#define RCNN_DATA_SHAPES_SHAPES_DATASET_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/defect_report.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/image/image.h"

namespace rcnn::data {

class ShapesDataset : public Dataset {
 public:
  // The images' version, part of the fingerprint. Raise it with every change of the
  // images.
  static constexpr int64_t kVersion = 1;

  // kInvalidArgument, naming the field, for a value out of range. inclusive_boxes:
  // as Dataset::inclusive_boxes().
  static absl::StatusOr<std::unique_ptr<Dataset>> Create(const configs::ShapesConfig& config,
                                                         bool inclusive_boxes = false);

  int64_t size() const override { return config_.num_images(); }
  const ClassList& classes() const override { return classes_; }
  ImageInfo image(int64_t index) const override;
  std::vector<Object> objects(int64_t index) const override;
  absl::StatusOr<std::shared_ptr<const Image>> LoadImage(int64_t index) const override;
  absl::StatusOr<Sample> Load(int64_t index) const override;
  const std::string& fingerprint() const override { return fingerprint_; }
  const DefectReport& defects() const override { return defects_; }
  bool inclusive_boxes() const override { return inclusive_boxes_; }

 private:
  ShapesDataset(const configs::ShapesConfig& config, bool inclusive_boxes);

  const configs::ShapesConfig config_;
  const bool inclusive_boxes_;
  ClassList classes_;
  std::string fingerprint_;
  const DefectReport defects_;
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_SHAPES_SHAPES_DATASET_H_

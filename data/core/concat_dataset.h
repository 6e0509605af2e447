// Several datasets concatenated, such as VOC 2007 and 2012.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(std::unique_ptr<Dataset> both, ConcatDataset::Create(std::move(parts)));

#ifndef RCNN_DATA_CORE_CONCAT_DATASET_H_
#define RCNN_DATA_CORE_CONCAT_DATASET_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/defect_report.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/image/image.h"

namespace rcnn::data {

class ConcatDataset : public Dataset {
 public:
  // Ids of the images and objects of part p are p * kIdStep higher than in the
  // part itself, so that they stay unique.
  static constexpr int64_t kIdStep = 1'000'000'000'000;

  // kInvalidArgument if there are no parts, or if the names of their classes or their box
  // conventions differ. Category ids may: classes() has those of the first part.
  static absl::StatusOr<std::unique_ptr<Dataset>> Create(
      std::vector<std::unique_ptr<Dataset>> parts);

  int64_t size() const override { return first_.back(); }
  const ClassList& classes() const override { return parts_[0]->classes(); }
  ImageInfo image(int64_t index) const override;
  std::vector<Object> objects(int64_t index) const override;
  absl::StatusOr<std::shared_ptr<const Image>> LoadImage(int64_t index) const override;
  absl::StatusOr<std::string> ReadImageBytes(int64_t index) const override;
  absl::StatusOr<Sample> Load(int64_t index) const override;
  const std::string& fingerprint() const override { return fingerprint_; }
  const DefectReport& defects() const override { return defects_; }
  bool inclusive_boxes() const override { return parts_[0]->inclusive_boxes(); }

 private:
  explicit ConcatDataset(std::vector<std::unique_ptr<Dataset>> parts);

  // The part that an index belongs to, and the index in that part.
  std::pair<int64_t, int64_t> Find(int64_t index) const;

  const std::vector<std::unique_ptr<Dataset>> parts_;
  // Index of the first image of each part, and the size of all.
  std::vector<int64_t> first_ = {0};
  std::string fingerprint_;
  DefectReport defects_;
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_CONCAT_DATASET_H_

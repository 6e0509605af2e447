// A subset of a dataset's images, as a dataset.
//
// Validation may use only the first images, and a rehearsal only a few.
//
// Example:
//   auto few = std::make_shared<SubsetDataset>(dataset, std::vector<int64_t>{0, 1, 2});

#ifndef RCNN_DATA_CORE_SUBSET_DATASET_H_
#define RCNN_DATA_CORE_SUBSET_DATASET_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/data/core/dataset.h"

namespace rcnn::data {

class SubsetDataset : public Dataset {
 public:
  // `indices` into `whole`, in any order. Shares the images, classes and defect
  // report of `whole`.
  SubsetDataset(std::shared_ptr<const Dataset> whole, std::vector<int64_t> indices);

  int64_t size() const override { return static_cast<int64_t>(indices_.size()); }
  const ClassList& classes() const override { return whole_->classes(); }
  ImageInfo image(int64_t index) const override { return whole_->image(Find(index)); }
  std::vector<Object> objects(int64_t index) const override { return whole_->objects(Find(index)); }
  absl::StatusOr<std::shared_ptr<const Image>> LoadImage(int64_t index) const override {
    return whole_->LoadImage(Find(index));
  }
  absl::StatusOr<std::string> ReadImageBytes(int64_t index) const override {
    return whole_->ReadImageBytes(Find(index));
  }
  absl::StatusOr<Sample> Load(int64_t index) const override { return whole_->Load(Find(index)); }
  const std::string& fingerprint() const override { return fingerprint_; }
  const DefectReport& defects() const override { return whole_->defects(); }
  bool inclusive_boxes() const override { return whole_->inclusive_boxes(); }

 private:
  int64_t Find(int64_t index) const;

  const std::shared_ptr<const Dataset> whole_;
  const std::vector<int64_t> indices_;
  std::string fingerprint_;
};

// The first `count` images, or all if there are fewer or `count` is 0.
std::shared_ptr<const Dataset> FirstImages(std::shared_ptr<const Dataset> dataset, int64_t count);

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_SUBSET_DATASET_H_

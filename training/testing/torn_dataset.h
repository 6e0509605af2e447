// A dataset of which only the first few images can be read, for tests of what happens then.

#ifndef RCNN_TRAINING_TESTING_TORN_DATASET_H_
#define RCNN_TRAINING_TESTING_TORN_DATASET_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "rcnn/data/core/dataset.h"

namespace rcnn::training {

// The images of `whole`. After `readable` of them have been loaded, LoadImage returns
// kInvalidArgument, "NAME.jpg: torn". Thread-safe.
class TornDataset : public data::Dataset {
 public:
  TornDataset(std::shared_ptr<const data::Dataset> whole, int readable)
      : whole_(std::move(whole)), left_(readable) {}
  int64_t size() const override { return whole_->size(); }
  const data::ClassList& classes() const override { return whole_->classes(); }
  data::ImageInfo image(int64_t index) const override { return whole_->image(index); }
  std::vector<data::Object> objects(int64_t index) const override { return whole_->objects(index); }
  absl::StatusOr<std::shared_ptr<const data::Image>> LoadImage(int64_t index) const override {
    if (left_-- > 0) return whole_->LoadImage(index);
    return absl::InvalidArgumentError(absl::StrCat(image(index).name, ".jpg: torn"));
  }
  const std::string& fingerprint() const override { return whole_->fingerprint(); }
  const data::DefectReport& defects() const override { return whole_->defects(); }

 private:
  const std::shared_ptr<const data::Dataset> whole_;
  mutable std::atomic<int> left_;
};

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TESTING_TORN_DATASET_H_

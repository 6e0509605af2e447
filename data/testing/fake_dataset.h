// A dataset in memory, for tests.
//
// Images are noise that depends on the index alone. The test sets which of them fail to
// load, and reads how often each was requested.
//
// Example:
//   auto dataset = std::make_shared<FakeDataset>(std::vector<FakeImage>{{40, 30}, {30, 40}});

#ifndef RCNN_DATA_TESTING_FAKE_DATASET_H_
#define RCNN_DATA_TESTING_FAKE_DATASET_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/defect_report.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/image/image.h"

namespace rcnn::data::testing {

struct FakeImage {
  int64_t width = 0;
  int64_t height = 0;
  std::vector<Object> objects = {};
  // LoadImage() is kInvalidArgument, or kUnavailable.
  bool broken = false;
  bool unreadable_now = false;
};

// An object with this box and label.
Object MakeObject(const Box& box, int64_t label);

class FakeDataset : public Dataset {
 public:
  // An image's id is 100 + its index, its name "image-<index>".
  explicit FakeDataset(std::vector<FakeImage> images, bool inclusive_boxes = false);

  // `n` images of different sizes, landscape and portrait mixed, each with one
  // object.
  static std::shared_ptr<FakeDataset> OfSize(int64_t n);

  int64_t size() const override { return static_cast<int64_t>(images_.size()); }
  const ClassList& classes() const override { return classes_; }
  ImageInfo image(int64_t index) const override;
  std::vector<Object> objects(int64_t index) const override;
  absl::StatusOr<std::shared_ptr<const Image>> LoadImage(int64_t index) const override;
  const std::string& fingerprint() const override { return fingerprint_; }
  const DefectReport& defects() const override { return defects_; }
  bool inclusive_boxes() const override { return inclusive_boxes_; }

  void set_fingerprint(std::string fingerprint) { fingerprint_ = std::move(fingerprint); }

  // How often each image was loaded, and its objects asked for.
  std::vector<int64_t> loads() const;
  std::vector<int64_t> object_reads() const;

 private:
  std::vector<FakeImage> images_;
  bool inclusive_boxes_;
  ClassList classes_ = {{"first", "second"}, {1, 2}};
  std::string fingerprint_ = "00112233445566778899aabbccddeeff";
  DefectReport defects_;
  mutable std::mutex mutex_;
  mutable std::vector<int64_t> loads_ ABSL_GUARDED_BY(mutex_);
  mutable std::vector<int64_t> object_reads_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rcnn::data::testing

#endif  // RCNN_DATA_TESTING_FAKE_DATASET_H_

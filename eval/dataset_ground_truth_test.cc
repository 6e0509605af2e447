#include "rcnn/eval/dataset_ground_truth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace rcnn::eval {
namespace {

// Two images, the second id first.
class TwoImages : public data::Dataset {
 public:
  int64_t size() const override { return 2; }
  const data::ClassList& classes() const override { return classes_; }
  data::ImageInfo image(int64_t index) const override {
    data::ImageInfo info;
    info.id = index == 0 ? 20 : 10;
    info.name = index == 0 ? "b" : "a";
    info.path = index == 0 ? "/images/b.jpg" : "";
    return info;
  }
  std::vector<data::Object> objects(int64_t index) const override {
    if (index == 1) return {};
    data::Object object;
    object.box = {1, 2, 4, 6};
    object.xywh = {1, 2, 3, 4};
    object.area = 11;
    object.id = 5;
    object.label = 2;
    object.difficult = true;
    return {object};
  }
  absl::StatusOr<std::shared_ptr<const data::Image>> LoadImage(int64_t) const override {
    return absl::UnimplementedError("not asked for");
  }
  const std::string& fingerprint() const override { return fingerprint_; }
  const data::DefectReport& defects() const override { return defects_; }

 private:
  data::ClassList classes_ = {{"cat", "dog"}, {17, 18}};
  std::string fingerprint_;
  data::DefectReport defects_;
};

TEST(FromDatasetTest, CopiesEverythingTheMetricsNeed) {
  const GroundTruth truth = FromDataset(TwoImages());
  ASSERT_EQ(truth.images.size(), 2u);
  EXPECT_EQ(truth.images[0].id, 10);
  EXPECT_EQ(truth.images[0].file, "a");
  EXPECT_EQ(truth.images[1].file, "/images/b.jpg");
  ASSERT_EQ(truth.categories.size(), 2u);
  EXPECT_EQ(truth.categories[1].id, 18);
  EXPECT_EQ(truth.categories[1].name, "dog");
  ASSERT_EQ(truth.annotations.size(), 1u);
  const Annotation& a = truth.annotations[0];
  EXPECT_EQ(a.id, 5);
  EXPECT_EQ(a.image_id, 20);
  EXPECT_EQ(a.category_id, 18);
  EXPECT_EQ(a.box, (XywhBox{1, 2, 3, 4}));
  EXPECT_EQ(a.area, 11);
  EXPECT_TRUE(a.difficult);
  EXPECT_FALSE(a.crowd);
}

}  // namespace
}  // namespace rcnn::eval

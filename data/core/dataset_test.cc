#include "rcnn/data/core/dataset.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/core/cached_dataset.h"
#include "rcnn/data/core/concat_dataset.h"
#include "rcnn/data/core/subset_dataset.h"

namespace rcnn::data {
namespace {

// Two images, of which the second cannot be read.
class TwoImages : public Dataset {
 public:
  int64_t size() const override { return 2; }
  const ClassList& classes() const override { return classes_; }
  ImageInfo image(int64_t index) const override {
    ImageInfo info;
    info.id = index + 1;
    info.name = index == 0 ? "a.jpg" : "generated";
    if (index == 0) info.path = ::testing::TempDir() + "/a.jpg";
    info.width = 3;
    info.height = 2;
    return info;
  }
  std::vector<Object> objects(int64_t) const override {
    Object object;
    object.label = 1;
    return {object};
  }
  absl::StatusOr<std::shared_ptr<const Image>> LoadImage(int64_t index) const override {
    if (index == 1) return absl::InvalidArgumentError("b.jpg: not an image");
    return std::make_shared<const Image>(2, 3);
  }
  const std::string& fingerprint() const override { return fingerprint_; }
  const DefectReport& defects() const override { return defects_; }

 private:
  ClassList classes_{{"cell"}, {1}};
  std::string fingerprint_;
  DefectReport defects_;
};

TEST(Dataset, LoadJoinsImageInfoAndObjects) {
  absl::StatusOr<Sample> sample = TwoImages().Load(0);
  ASSERT_THAT(sample, IsOk());
  EXPECT_EQ(sample->info.id, 1);
  EXPECT_EQ(sample->image->width(), 3);
  ASSERT_EQ(sample->objects.size(), 1u);
  EXPECT_EQ(sample->objects[0].label, 1);
}

TEST(Dataset, LoadReturnsTheErrorOfTheImage) {
  EXPECT_EQ(TwoImages().Load(1).status(), absl::InvalidArgumentError("b.jpg: not an image"));
}

TEST(Dataset, BytesAreThoseOfTheFileThroughEveryWrapper) {
  ASSERT_THAT(WriteFileAtomically(::testing::TempDir() + "/a.jpg", "any bytes"), IsOk());
  const auto whole = std::make_shared<const TwoImages>();
  EXPECT_THAT(whole->ReadImageBytes(0), IsOkAndHolds("any bytes"));
  EXPECT_THAT(SubsetDataset(whole, {1, 0}).ReadImageBytes(1), IsOkAndHolds("any bytes"));
  EXPECT_THAT(CachedDataset(whole, 100).ReadImageBytes(0), IsOkAndHolds("any bytes"));
  std::vector<std::unique_ptr<Dataset>> parts;
  for (int i = 0; i < 2; ++i) parts.push_back(std::make_unique<TwoImages>());
  const absl::StatusOr<std::unique_ptr<Dataset>> both = ConcatDataset::Create(std::move(parts));
  ASSERT_THAT(both, IsOk());
  EXPECT_THAT((*both)->ReadImageBytes(2), IsOkAndHolds("any bytes"));
}

TEST(Dataset, AnImageWithoutAFileHasNoBytes) {
  EXPECT_EQ(TwoImages().ReadImageBytes(1).status(),
            absl::FailedPreconditionError("generated: the image has no file"));
}

}  // namespace
}  // namespace rcnn::data

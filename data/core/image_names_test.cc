#include "rcnn/data/core/image_names.h"

#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/testing/fake_dataset.h"

namespace rcnn::data {
namespace {

TEST(WithoutImageExtension, RemovesImageExtensions) {
  EXPECT_EQ(WithoutImageExtension("000012.jpg"), "000012");
  EXPECT_EQ(WithoutImageExtension("v1.5.JPEG"), "v1.5");
  EXPECT_EQ(WithoutImageExtension("train/a.webp"), "train/a");
  EXPECT_EQ(WithoutImageExtension("v1.5"), "v1.5");
  EXPECT_EQ(WithoutImageExtension("jpg"), "jpg");
  EXPECT_EQ(WithoutImageExtension(""), "");
}

TEST(CheckImageNamesDiffer, AcceptsDifferentNames) {
  EXPECT_THAT(CheckImageNamesDiffer(*testing::FakeDataset::OfSize(3)), IsOk());
  EXPECT_THAT(CheckImageNamesDiffer(*testing::FakeDataset::OfSize(0)), IsOk());
}

}  // namespace
}  // namespace rcnn::data

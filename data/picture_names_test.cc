#include "rcnn/data/picture_names.h"

#include "gtest/gtest.h"
#include "rcnn/data/testing/fake_dataset.h"

namespace rcnn::data {
namespace {

TEST(WithoutPictureExtension, TakesOffWhatSaysTheFormat) {
  EXPECT_EQ(WithoutPictureExtension("000012.jpg"), "000012");
  EXPECT_EQ(WithoutPictureExtension("v1.5.JPEG"), "v1.5");
  EXPECT_EQ(WithoutPictureExtension("train/a.webp"), "train/a");
  EXPECT_EQ(WithoutPictureExtension("v1.5"), "v1.5");
  EXPECT_EQ(WithoutPictureExtension("jpg"), "jpg");
  EXPECT_EQ(WithoutPictureExtension(""), "");
}

TEST(CheckPictureNamesDiffer, AcceptsWhatDiffers) {
  EXPECT_TRUE(CheckPictureNamesDiffer(*testing::FakeDataset::OfSize(3)).ok());
  EXPECT_TRUE(CheckPictureNamesDiffer(*testing::FakeDataset::OfSize(0)).ok());
}

}  // namespace
}  // namespace rcnn::data

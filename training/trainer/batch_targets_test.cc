#include "rcnn/training/trainer/batch_targets.h"

#include <ATen/ATen.h>

#include "gtest/gtest.h"

namespace rcnn::training {
namespace {

// An image of 100 x 50, twice as wide and three times as high in the input.
data::Batch TwoImages() {
  data::BatchImage first;
  first.info.width = 100;
  first.info.height = 50;
  first.width = 200;
  first.height = 150;
  first.scale_x = 2;
  first.scale_y = 3;
  first.boxes =
      at::tensor({2.f, 3.f, 20.f, 30.f, 4.f, 6.f, 8.f, 9.f, 0.f, 0.f, 5.f, 5.f}).view({3, 4});
  first.labels = at::tensor({1, 2, 1}, at::kLong);
  first.crowd = at::tensor({0, 1, 0}).to(at::kBool);
  first.difficult = at::tensor({0, 0, 1}).to(at::kBool);
  data::BatchImage second;
  second.info.width = second.width = 30;
  second.info.height = second.height = 40;
  second.boxes = at::empty({0, 4});
  second.labels = at::empty({0}, at::kLong);
  second.crowd = second.difficult = at::empty({0}, at::kBool);
  first.info.id = 71;
  second.info.id = int64_t{5} << 40;
  data::Batch batch;
  batch.entries = {first, second};
  return batch;
}

TEST(BatchTargetsTest, InputSizesAreHeightWidthScale) {
  const detection::InputSizes sizes = MakeInputSizes(TwoImages());
  ASSERT_EQ(sizes.size(), 2u);
  EXPECT_EQ(sizes[0].height, 150);
  EXPECT_EQ(sizes[0].width, 200);
  EXPECT_EQ(sizes[0].scale, 3);
  EXPECT_EQ(sizes[1].height, 40);
  EXPECT_EQ(sizes[1].width, 30);
  EXPECT_EQ(sizes[1].scale, 1);
}

TEST(BatchTargetsTest, CrowdsAndDifficultObjectsAreNeitherPositiveNorNegative) {
  const data::Batch batch = TwoImages();
  const detection::GroundTruths truths = MakeGroundTruths(batch);
  ASSERT_EQ(truths.size(), 2u);
  EXPECT_TRUE(at::equal(truths[0].boxes, batch.entries[0].boxes));
  EXPECT_TRUE(at::equal(truths[0].labels, batch.entries[0].labels));
  EXPECT_TRUE(at::equal(truths[0].is_crowd, at::tensor({0, 1, 1}).to(at::kBool)));
  EXPECT_EQ(truths[1].boxes.size(0), 0);
}

TEST(BatchTargetsTest, GroundTruthHasTheIdOfItsImage) {
  const detection::GroundTruths truths = MakeGroundTruths(TwoImages());
  EXPECT_EQ(truths[0].image_id, 71);
  EXPECT_EQ(truths[1].image_id, int64_t{5} << 40);
}

// Of a process that takes the second image of a batch of 160 x 224.
TEST(BatchTargetsTest, ImagesKeepTheirOwnPaddingAlone) {
  data::Batch batch = TwoImages();
  batch.entries[1].own_padding_y = 24;
  batch.entries[1].own_padding_x = 2;
  batch.own_begin = 1;
  batch.images = at::rand({1, 3, 160, 224});
  const detection::BatchMap images = MakeImages(batch);
  ASSERT_EQ(images.parts.size(), 1u);
  EXPECT_TRUE(at::equal(images.parts[0], batch.images.slice(2, 0, 64).slice(3, 0, 32)));
  EXPECT_EQ(SizeOfInput(batch.entries[0]).height, 150);
  EXPECT_EQ(SizeOfInput(batch.entries[0]).width, 200);
}

TEST(BatchTargetsTest, SizesAreThoseOfStoredImages) {
  const auto sizes = OriginalSizes(TwoImages());
  EXPECT_EQ(sizes[0].height, 50);
  EXPECT_EQ(sizes[0].width, 100);
  EXPECT_EQ(sizes[1].height, 40);
}

TEST(BatchTargetsTest, PixelConversionsAreInverse) {
  const data::BatchImage entry = TwoImages().entries[0];
  const at::Tensor stored = at::tensor({1.f, 1.f, 10.f, 10.f}).view({1, 4});
  EXPECT_TRUE(
      at::equal(ToInputPixels(stored, entry), at::tensor({2.f, 3.f, 20.f, 30.f}).view({1, 4})));
  EXPECT_TRUE(at::equal(ToStoredPixels(ToInputPixels(stored, entry), entry), stored));
  EXPECT_EQ(ToStoredPixels(at::empty({0, 4}), entry).size(0), 0);
}

}  // namespace
}  // namespace rcnn::training
